-- What wrk counted, as one line of JSON.
done = function(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        '\n{"requests":%d,"micros":%d,"p50":%d,"p99":%d,"max":%d,"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d}\n',
        summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), latency.max,
        errors.connect, errors.read, errors.write, errors.status, errors.timeout))
end
