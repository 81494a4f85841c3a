# rpmctl by Salt: `salt '*' state.apply rpmctl`, or `salt-call --local state.apply rpmctl`; `test=True` says what would be done.
#
# The apps of the machine as the file says. It is applied when `rpmctl plan` finds something to do: also when somebody stopped an app,
# removed a unit or changed one by hand.
{% set file = '/etc/rpmctl/ecosystem.toml' %}
{% set arguments = '--prune --env production ' ~ file %}

rpmctl:
  pkg.installed: []

{{ file }}:
  file.managed:
    - source: salt://rpmctl/ecosystem.toml
    - user: root
    - mode: '0600'
    - makedirs: true
    # It may hold secrets.
    - show_changes: false
    - require:
        - pkg: rpmctl

rpmctl apply {{ arguments }}:
  cmd.run:
    - unless: rpmctl plan --detailed-exitcode {{ arguments }}
    - require:
        - file: {{ file }}
