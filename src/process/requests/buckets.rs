//! Where buckets begin and end, as in bucketOf of src/preload/requests.cjs. Microseconds.

const LINEAR: u64 = 100;
const DECADE: u64 = 160;
/// What takes longer than an hour counts as an hour.
const LONGEST: u64 = 3_600_000_000;

/// How many there are.
pub const COUNT: u64 = LINEAR + 7 * DECADE + 50 + 32 + 1;

/// The bucket of a time.
pub fn index(time: u64) -> u64 {
    let time = time.min(LONGEST);
    if time < LINEAR {
        return time;
    }
    let decade = u64::from(time.ilog10()) - 2;
    let power = LINEAR * 10_u64.pow(decade as u32);
    let within = match time {
        _ if time < 2 * power => (time - power) / (power / 50),
        _ if time < 5 * power => 50 + (time - 2 * power) / (power / 20),
        _ => 110 + (time - 5 * power) / (power / 10),
    };
    LINEAR + decade * DECADE + within
}

/// The first time that is beyond a bucket (below [`COUNT`]).
pub fn upper(index: u64) -> u64 {
    let Some(above) = (index + 1).checked_sub(LINEAR) else {
        return index + 1;
    };
    let power = LINEAR * 10_u64.pow((above / DECADE) as u32);
    match above % DECADE {
        within @ 0..50 => power + within * (power / 50),
        within @ 50..110 => 2 * power + (within - 50) * (power / 20),
        within => 5 * power + (within - 110) * (power / 10),
    }
}

/// The first time of the bucket that ends at `upper`.
pub fn lower_of(upper: u64) -> u64 {
    match index(upper.saturating_sub(1)) {
        0 => 0,
        index => self::upper(index - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_cover_everything_without_a_gap() {
        for index in 0..COUNT {
            let (lower, upper) = (lower_of(upper(index)), upper(index));
            assert_eq!(super::index(lower), index);
            assert_eq!(super::index(upper - 1), index);
            // The last one has all that is longer.
            if index + 1 < COUNT {
                assert_eq!(super::index(upper), index + 1);
                let width = (upper - lower) as f64 / lower as f64;
                assert!(lower < 50 || width <= 0.025, "{lower} to {upper}");
            }
        }
        assert_eq!(index(LONGEST), COUNT - 1);
        assert_eq!(index(u64::MAX), COUNT - 1);
    }
}
