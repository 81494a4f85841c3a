-- Each connection waits 0 to twice DELAY ms between its requests, by chance; one line of JSON says what was counted.
local most = 2 * tonumber(os.getenv("DELAY"))
if most > 0 then
    function delay() return math.random(0, most) end
end
done = function(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        '\n{"requests":%d,"micros":%d,"p50":%d,"p95":%d,"p99":%d,"failed":%d}\n',
        summary.requests, summary.duration, latency:percentile(50), latency:percentile(95), latency:percentile(99),
        errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
