-- Shared by every operation; put before each script.
--
-- An operation reads and checks everything first and writes afterwards: what a script has written
-- stays, even if it fails later.
-- Its answer is one line of words, stored with the operation's arguments. The same operation with
-- the same arguments gets the stored line again; with other arguments it gets "refused conflict".
-- Amounts are micro-units below 2^53, so doubles hold them exactly; `text` writes them without an
-- exponent, which concatenation would not.
-- Every change of money is an entry of the shard's journal. What a reader must act on, a recharge
-- that is due or credit that came, is also an entry of its events, so that nobody has to read the
-- whole journal in order to find it.

local REFUSED_LIFE_SECONDS = 3600 -- longer than any retry of a call that is refused
local CLOSED_LIFE_SECONDS = 86400 -- longer than any retry of a settlement
local AMOUNT_MAX = 2 ^ 52

local function text(number)
  -- Adding 0 turns the -0 of a call that costs nothing into 0, which Redis takes.
  return string.format('%.0f', number + 0)
end

local function now_ms()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

local function number_at(key, field)
  return tonumber(redis.call('HGET', key, field) or '0')
end

-- The same for every retry of one operation, different for any other arguments.
local function fingerprint()
  return redis.sha1hex(table.concat(ARGV, '\0'))
end

-- Stored answer of `operation` in the hash `key`: the line, "refused conflict", or nil.
local function stored_answer(key, operation, print)
  local stored = redis.call('HMGET', key, operation .. ':args', operation .. ':answer')
  if not stored[1] then
    return nil
  end
  return stored[1] == print and stored[2] or 'refused conflict 0'
end

local function store_answer(key, operation, print, answer)
  redis.call('HSET', key, operation .. ':args', print, operation .. ':answer', answer)
  return answer
end

-- Lots that have expired but still stand in the order of spending: {{lot, micros}, ...}, total.
local function lapsing(lots, order, now)
  local due, total = {}, 0
  for _, lot in ipairs(redis.call('ZRANGEBYSCORE', order, '-inf', now)) do
    local micros = number_at(lots, lot .. ':available')
    due[#due + 1] = { lot, micros }
    total = total + micros
  end
  return due, total
end

local function journal_entry(journal, operation, account_id, available, moves, ...)
  redis.call('XADD', journal, '*', 'op', operation, 'account', account_id,
    'available', text(available), 'moves', table.concat(moves, ';'), ...)
end

-- Take the lapsing lots out of available.
local function lapse(account, lots, order, journal, account_id, due, total)
  if #due == 0 then
    return
  end
  local moves = {}
  for _, entry in ipairs(due) do
    local lot, micros = entry[1], entry[2]
    redis.call('HINCRBY', lots, lot .. ':available', text(-micros))
    redis.call('HINCRBY', lots, lot .. ':expired', text(micros))
    redis.call('ZREM', order, lot)
    moves[#moves + 1] = lot .. ' available expired ' .. text(micros)
  end
  redis.call('HINCRBY', account, 'expired', text(total))
  local available = redis.call('HINCRBY', account, 'available', text(-total))
  journal_entry(journal, 'expire', account_id, available, moves)
end

-- Where `micros` would come from: the lots in the order of spending, after the first `skip`, each
-- with what is taken, and what is then available and held of it.
local function plan_take(lots, order, micros, skip)
  local plan, at = {}, skip
  while micros > 0 do
    local lot = redis.call('ZRANGE', order, at, at)[1]
    if not lot then
      error('lots hold less than the account says is available')
    end
    local now = redis.call('HMGET', lots, lot .. ':available', lot .. ':held')
    local taken = math.min(micros, tonumber(now[1]))
    plan[#plan + 1] = { lot, taken, tonumber(now[1]) - taken, tonumber(now[2] or '0') + taken }
    micros = micros - taken
    at = at + 1
  end
  return plan
end

-- Move money from available to held, and pin it to its lots in the call (rule M4).
-- `available` and `held` are what the account has then.
local function take(account, lots, order, call, plan, available, held, moves)
  for _, entry in ipairs(plan) do
    local lot, taken = entry[1], entry[2]
    redis.call('HSET', lots, lot .. ':available', text(entry[3]), lot .. ':held', text(entry[4]))
    if entry[3] == 0 then
      redis.call('ZREM', order, lot)
    end
    redis.call('HINCRBY', call, 'pin:' .. lot, text(taken))
    moves[#moves + 1] = lot .. ' available held ' .. text(taken)
  end
  redis.call('HSET', account, 'available', text(available), 'held', text(held))
end

-- The first of the slices ("SECONDS TOTAL SECONDS TOTAL ...", the longest first) whose total price
-- less what is held already can be paid from `available`: seconds, total; or nil.
local function longest_slice(slices, held, available)
  for seconds, total in string.gmatch(slices, '(%d+) (%d+)') do
    if tonumber(total) - held <= available then
      return tonumber(seconds), tonumber(total)
    end
  end
  return nil
end

-- Claim one recharge if available is below the trigger, none is under way, and no pause after a
-- failure is running (rules R1, R2). The key is stored here, before anybody is asked to pay.
local function claim_recharge(account, events, account_id, now)
  local settings = redis.call('HMGET', account, 'available', 'recharge_below', 'recharge_amount',
    'recharge_key', 'recharge_after', 'currency')
  local below, amount = tonumber(settings[2] or '0'), tonumber(settings[3] or '0')
  if amount == 0 or tonumber(settings[1]) >= below then
    return
  end
  if (settings[4] or '') ~= '' or now < tonumber(settings[5] or '0') then
    return
  end
  local count = redis.call('HINCRBY', account, 'recharges', 1)
  local key = 'recharge-' .. account_id .. '-' .. text(count)
  redis.call('HSET', account, 'recharge_key', key)
  redis.call('XADD', events, '*', 'event', 'recharge_due', 'account', account_id, 'key', key,
    'amount', settings[3], 'currency', settings[6])
end

-- Lots pinned by a call, the first to be spent first: {{lot, micros}, ...}.
local function pins_of(call, lots)
  local pins, fields = {}, redis.call('HGETALL', call)
  for at = 1, #fields, 2 do
    if string.sub(fields[at], 1, 4) == 'pin:' then
      local lot = string.sub(fields[at], 5)
      pins[#pins + 1] = { lot, tonumber(fields[at + 1]), number_at(lots, lot .. ':expires') }
    end
  end
  table.sort(pins, function(one, other)
    if one[3] ~= other[3] then
      return one[3] < other[3]
    end
    return one[1] < other[1]
  end)
  return pins
end

-- End a call's hold for good: `charge` of it is spent, the rest goes back to where it came from,
-- or to expired where the lot has expired meanwhile (rule M4).
local function close_hold(keys, charge, now, moves)
  local spent, returned, expired = 0, 0, 0
  for _, pin in ipairs(pins_of(keys.call, keys.lots)) do
    local lot, micros, expires = pin[1], pin[2], pin[3]
    local used = math.min(micros, charge - spent)
    local rest = micros - used
    spent = spent + used
    redis.call('HINCRBY', keys.lots, lot .. ':held', text(-micros))
    if used > 0 then
      redis.call('HINCRBY', keys.lots, lot .. ':spent', text(used))
      moves[#moves + 1] = lot .. ' held spent ' .. text(used)
    end
    if rest > 0 and expires <= now then
      expired = expired + rest
      redis.call('HINCRBY', keys.lots, lot .. ':expired', text(rest))
      moves[#moves + 1] = lot .. ' held expired ' .. text(rest)
    elseif rest > 0 then
      returned = returned + rest
      redis.call('HINCRBY', keys.lots, lot .. ':available', text(rest))
      redis.call('ZADD', keys.order, expires, lot)
      moves[#moves + 1] = lot .. ' held available ' .. text(rest)
    end
  end
  redis.call('HINCRBY', keys.account, 'held', text(-(spent + returned + expired)))
  redis.call('HINCRBY', keys.account, 'spent', text(spent))
  redis.call('HINCRBY', keys.account, 'expired', text(expired))
  return redis.call('HINCRBY', keys.account, 'available', text(returned)), returned
end
