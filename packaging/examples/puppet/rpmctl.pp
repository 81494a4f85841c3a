# rpmctl by Puppet: `puppet apply rpmctl.pp`, or the define in a module of yours. `--noop` says what would be done.
#
# An ecosystem file, and the apps of the machine as it says. It is applied when `rpmctl plan` finds something to do: also when somebody
# stopped an app, removed a unit or changed one by hand.
define rpmctl_ecosystem(
  String $content,
  String $path = $title,
  Optional[String] $env = undef,
) {
  $arguments = $env ? {
    undef   => "--prune ${path}",
    default => "--prune --env ${env} ${path}",
  }
  # It may hold secrets.
  file { $path:
    content   => $content,
    owner     => 'root',
    mode      => '0600',
    show_diff => false,
    require   => Package['rpmctl'],
  }
  -> exec { "rpmctl apply ${arguments}":
    path      => '/usr/local/bin:/usr/bin:/bin',
    unless    => "rpmctl plan --detailed-exitcode ${arguments}",
    logoutput => on_failure,
    timeout   => 0,
  }
}

package { 'rpmctl':
  ensure => installed,
}

file { '/etc/rpmctl':
  ensure => directory,
}

rpmctl_ecosystem { '/etc/rpmctl/ecosystem.toml':
  env     => 'production',
  content => @(TOML),
    [[apps]]
    name = "web"
    cwd = "/srv/web"
    script = "app.js"
    exec_mode = "cluster"
    instances = 2
    port = 3000
    user = "www-data"

    [apps.env_production]
    NODE_ENV = "production"
    | TOML
}
