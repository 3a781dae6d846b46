-- What limits calls (rule C12). The parties to a call are its account, which is its books, and its
-- user if it has one: each has limits, and beside them what was used.

local MINUTE_MS = 60000
local SPEND_LIMITS = { 'limit_day', 'limit_month' }
local SPENT = { limit_day = 'day_micros', limit_month = 'month_micros' }

-- The parties to a call of the user whose hash this is; "" is no user.
local function parties_to(books, user, key)
  books.of = 'account'
  if user == '' then
    return { books }
  end
  local party = { of = 'user', key = key, changes = {} }
  read_party(party, redis.call('HMGET', key, unpack(PARTY)), 0)
  return { books, party }
end

-- The limit of calls at once that is reached, or that of calls a minute to one prefix, and whose it
-- is; nil if none is. `begun` names the list of when the calls of each party began.
local function too_many(parties, begun, now)
  for _, party in ipairs(parties) do
    if party.limit_calls > 0 and party.calls >= party.limit_calls then
      return 'limit_calls', party.of
    end
  end
  for at, party in ipairs(parties) do
    local limit = party.limit_per_minute
    local first = limit > 0 and redis.call('LINDEX', begun[at], text(limit - 1))
    if first and now - tonumber(first) < MINUTE_MS then
      return 'limit_per_minute', party.of
    end
  end
end

-- Note that a call began. No more is kept than a limit asks for, and not for longer.
local function note_begin(parties, begun, now)
  for at, party in ipairs(parties) do
    if party.limit_per_minute > 0 then
      if redis.call('LPUSH', begun[at], text(now)) > party.limit_per_minute then
        redis.call('LTRIM', begun[at], '0', text(party.limit_per_minute - 1))
      end
      redis.call('PEXPIREAT', begun[at], text(now + MINUTE_MS))
    end
  end
end

-- The latest day and month in which money was held for a call, and how much in each, as
-- "DAY MICROS MONTH MICROS".
local function read_latest(words)
  local day, day_held, month, month_held = string.match(words, '(%S+) (%d+) (%S+) (%d+)')
  return { day = day, day_held = tonumber(day_held),
    month = month, month_held = tonumber(month_held) }
end

local function write_latest(latest)
  return latest.day .. ' ' .. text(latest.day_held) .. ' '
    .. latest.month .. ' ' .. text(latest.month_held)
end

-- Let a sum begin anew in a later day or month than its own.
local function turn(of, period, sum, now)
  if of[period] < now then
    of[period], of[sum], of.turned = now, 0, true
  end
end

-- Go on to a day and a month, unless the account is in later ones already: another gateway's clock
-- may be ahead. In a new one nothing is spent yet, and nothing held for the call.
local function turn_to(day, month, parties, latest)
  local books = parties[1]
  day = day > books.day and day or books.day
  month = month > books.month and month or books.month
  for _, party in ipairs(parties) do
    turn(party, 'day', 'day_micros', day)
    turn(party, 'month', 'month_micros', month)
  end
  turn(latest, 'day', 'day_held', day)
  turn(latest, 'month', 'month_held', month)
end

-- The money that a slice may take: what is spendable, or less if a limit leaves less; then the reason
-- if that is too little, and whose limit it is.
local function room(books, parties)
  local least, reason, of = spendable(books), 'no_credit', nil
  for _, limit in ipairs(SPEND_LIMITS) do
    for _, party in ipairs(parties) do
      local left = party[limit] - party[SPENT[limit]]
      if party[limit] > 0 and left < least then
        least, reason, of = left, limit, party.of
      end
    end
  end
  return least, reason, of
end

local function count_call(parties, one)
  for _, party in ipairs(parties) do
    change(party, 'calls', party.calls + one)
  end
end

-- Count what is held for a call as spent.
local function count_held(parties, latest, micros)
  for _, party in ipairs(parties) do
    if party.turned then
      change(party, 'day', party.day)
      change(party, 'month', party.month)
    end
    change(party, 'day_micros', party.day_micros + micros)
    change(party, 'month_micros', party.month_micros + micros)
  end
  latest.day_held, latest.month_held = latest.day_held + micros, latest.month_held + micros
end

-- Count what a call gives back as not spent, in its latest day and month.
local function count_returned(parties, latest, micros)
  for _, party in ipairs(parties) do
    if party.day == latest.day then
      change(party, 'day_micros', party.day_micros - math.min(micros, latest.day_held))
    end
    if party.month == latest.month then
      change(party, 'month_micros', party.month_micros - math.min(micros, latest.month_held))
    end
  end
end

-- Write what has changed of the user; `close_books` writes the account.
local function write_user(parties)
  local user = parties[2]
  if user then
    redis.call('HSET', user.key, unpack(user.changes))
  end
end

local function refusal(reason, available, of)
  return 'refused ' .. reason .. ' ' .. text(available) .. (of and ' ' .. of or '')
end
