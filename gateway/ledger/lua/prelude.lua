-- Shared by the operations on an account; put before each script that moves money.
--
-- KEYS  1 account  2 lots  3 order  4 journal  5 events; what follows, each script says
-- ARGV  1 account id; what follows, each script says
--
-- An operation reads and checks everything first and writes afterwards: what a script has written
-- stays, even if it fails later. `#!lua` lets the server refuse before the first write when its
-- memory is used up, it is a replica, or its disk fails.
-- Its answer is one line of words, kept with the operation's arguments. The same operation with
-- the same arguments gets that line again; with other arguments it gets "refused conflict".
-- Amounts are micro-units up to 2^52, so doubles hold them exactly; `text` writes them without an
-- exponent, which concatenation would not.
--
-- Money moves in one way only: `move`, from one part of a lot to another. So each lot, and the
-- account with it, keeps granted = available + held + spent + expired + reversed (rule M5), and the
-- journal names every move.

local REFUSED_LIFE_SECONDS = 3600 -- longer than any retry of what is refused
local CLOSED_LIFE_SECONDS = 86400 -- longer than any retry of what is done
local POOL_LIFE_MS = 3 * 86400000 -- after a pool's end: longer than a call that began in it
local AMOUNT_MAX = 2 ^ 52
local NEVER_MS = 2 ^ 52
-- Lots that are none: what is spent beyond all lots (rule M6), and the sums of lots that are over.
local OVERDRAFT, RETIRED = 'overdraft', 'retired'
local PARTS = { 'granted', 'available', 'held', 'spent', 'expired', 'reversed' }
local LOT_CELLS = { 'granted', 'available', 'held', 'spent', 'expired', 'reversed', 'purchased',
  'expires', 'warned' }

-- Of an account and of a user, in the hash of either: limits, and what was used (rule C12).
local LIMITS = { 'limit_calls', 'limit_per_minute', 'limit_day', 'limit_month' }
local PARTY = { 'day', 'month', 'calls', 'day_micros', 'month_micros', unpack(LIMITS) }

local function text(number)
  -- Adding 0 turns the -0 of a call that costs nothing into 0, which Redis takes.
  return string.format('%.0f', number + 0)
end

-- An amount of ARGV; what is none is a fault of the caller.
local function amount(word)
  local number = tonumber(word)
  if not number or number < 0 or number > AMOUNT_MAX or number % 1 ~= 0 then
    error('not an amount of micro-units: ' .. word)
  end
  return number
end

local function now_ms()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- The same for every retry of one operation, different for any other arguments. The first `count` of
-- them if given: what follows is read off a clock, which a retry does anew.
local function fingerprint(count)
  return redis.sha1hex(table.concat(ARGV, '\0', 1, count or #ARGV))
end

-- The line that `answer` keeps, for these arguments: it, "refused conflict 0", or nil.
local function answered(kept, print)
  if not kept then
    return nil
  end
  return string.sub(kept, 1, 40) == print and string.sub(kept, 42) or 'refused conflict 0'
end

local function keep_answer(key, field, print, answer)
  redis.call('HSET', key, field, print .. ' ' .. answer)
  return answer
end
