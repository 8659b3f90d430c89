-- Called by measure.py:  wrk ... -s report.lua URL -- [POST body-size]
-- Prints one line of JSON after the run; wrk's own text has no exact totals.

function init(args)
   if args[1] == "POST" then
      wrk.method = "POST"
      wrk.headers["Content-Type"] = "application/octet-stream"
      wrk.body = string.rep("e", tonumber(args[2]))
   end
end

function done(summary, latency, requests)
   local errors = summary.errors
   io.write(string.format(
      'REPORT {"requests": %d, "microseconds": %d, "bytes": %d, "p50": %d, "p99": %d, "max": %d, ' ..
      '"connect": %d, "read": %d, "write": %d, "status": %d, "timeout": %d}\n',
      summary.requests, summary.duration, summary.bytes,
      latency:percentile(50), latency:percentile(99), latency.max,
      errors.connect, errors.read, errors.write, errors.status, errors.timeout))
end
