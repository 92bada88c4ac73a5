-- Requests in turn, and their answers counted by status; one line of JSON at the end.
local bodies, turn = {}, 0
statuses = {}

function init(args)
  for line in io.lines(args[1]) do bodies[#bodies + 1] = line end
end

function setup(thread) threads = threads or {}; threads[#threads + 1] = thread end

function request()
  turn = turn % #bodies + 1
  return wrk.format("POST", "/rerank", { ["Content-Type"] = "application/json" }, bodies[turn])
end

function response(status) statuses[status] = (statuses[status] or 0) + 1 end

function done(summary, latency)
  local found = {}
  for _, thread in ipairs(threads) do
    for status, count in pairs(thread:get("statuses")) do found[#found + 1] = string.format('"%d": %d', status, count) end
  end
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests": %d, "seconds": %f, "p50": %f, "p99": %f, "cut": %d, "late": %d, "statuses": {%s}}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.connect + errors.read + errors.write, errors.timeout, table.concat(found, ", ")))
end
