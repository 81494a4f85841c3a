//! Where everything stands, by the size of the terminal.

use ratatui::layout::Rect;

/// Below this there is no room for anything but to say so.
pub const LEAST: (u16, u16) = (40, 10);

/// Places of the panes; those of list, logs and figures are without their titles, which stand in the row above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    pub header: Rect,
    pub list: Rect,
    /// Height 0 where there is no room.
    pub changes: Rect,
    pub figures: Rect,
    pub logs: Rect,
    pub footer: Rect,
    /// The column between left and right, where there are two.
    pub rule: Option<Rect>,
}

impl Layout {
    /// None where the terminal is too small.
    pub fn of(columns: u16, rows: u16) -> Option<Layout> {
        if columns < LEAST.0 || rows < LEAST.1 {
            return None;
        }
        let header = Rect::new(0, 0, columns, 1);
        let footer = Rect::new(0, rows - 1, columns, 1);
        let body = rows - 2;
        if columns < 70 {
            return Some(Layout::stacked(header, footer, body));
        }
        let left = (columns * 2 / 5).clamp(33, 68);
        let right = left + 1;
        let width = columns - right;
        let changes = match body {
            40.. => 10,
            28.. => 7,
            20.. => 4,
            _ => 0,
        };
        let figures = match body {
            40.. => 13,
            28.. => 9,
            16.. => 7,
            _ => 3,
        };
        // A title above each.
        let title = |height: u16| height + u16::from(height > 0);
        let list = Rect::new(0, 2, left, body - 1 - title(changes));
        let logs = 1 + title(figures) + 1;
        Some(Layout {
            header,
            list,
            changes: Rect::new(0, rows - 1 - changes, left, changes),
            figures: Rect::new(right, 2, width, figures),
            logs: Rect::new(right, logs, width, rows - 1 - logs),
            footer,
            rule: Some(Rect::new(left, 1, 1, body)),
        })
    }

    /// One below the other, for a narrow terminal.
    fn stacked(header: Rect, footer: Rect, body: u16) -> Layout {
        let columns = header.width;
        let figures = if body >= 18 { 5 } else { 0 };
        let list = (body / 3).max(3);
        let figures_at = 1 + list;
        let logs = figures_at + figures + u16::from(figures > 0) + 1;
        Layout {
            header,
            list: Rect::new(0, 2, columns, list - 1),
            changes: Rect::new(0, footer.y, columns, 0),
            figures: Rect::new(0, figures_at + 1, columns, figures),
            logs: Rect::new(0, logs, columns, footer.y - logs),
            footer,
            rule: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_lies_over_anything_whatever_the_size() {
        for columns in 0..220u16 {
            for rows in 0..80u16 {
                let Some(layout) = Layout::of(columns, rows) else {
                    assert!(columns < LEAST.0 || rows < LEAST.1);
                    continue;
                };
                let mut all = vec![
                    layout.header,
                    layout.list,
                    layout.changes,
                    layout.figures,
                    layout.logs,
                    layout.footer,
                ];
                all.extend(layout.rule);
                let screen = Rect::new(0, 0, columns, rows);
                for (index, one) in all.iter().enumerate() {
                    assert_eq!(one.intersection(screen), *one, "{columns}×{rows} {one}");
                    for other in &all[index + 1..] {
                        let apart = one.is_empty() || other.is_empty() || !one.intersects(*other);
                        assert!(apart, "{columns}×{rows}: {one} and {other}");
                    }
                }
                assert!(
                    layout.list.height >= 2 && layout.logs.height >= 2,
                    "{columns}×{rows}"
                );
            }
        }
    }
}
