run lambda { |env|
  sleep 0.05 if env['PATH_INFO'] == '/slow'
  [200, {}, [Process.pid.to_s]]
}
