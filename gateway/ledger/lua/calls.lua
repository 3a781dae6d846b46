-- What calls hold of an account: money pinned to its lots, and seconds of a pool.

-- The pins of a call: lots and what it holds of each, as "LOT MICROS;LOT MICROS".
local function read_pins(words)
  local pins = {}
  for name, micros in string.gmatch(words or '', '([^ ;]+) (%d+)') do
    pins[#pins + 1] = { name = name, micros = tonumber(micros) }
  end
  return pins
end

local function write_pins(pins)
  local words = {}
  for at, pin in ipairs(pins) do
    words[at] = pin.name .. ' ' .. text(pin.micros)
  end
  return table.concat(words, ';')
end

-- Move money from available to held, and pin it to its lots (rule M4). It must be spendable.
local function take(books, micros, pins)
  local by_name = {}
  for _, one in ipairs(pins) do
    by_name[one.name] = one
  end
  local function pin(lot, taken)
    if taken == 0 then
      return
    end
    move(books, lot, 'available', 'held', taken)
    local one = by_name[lot.name]
    if one then
      one.micros = one.micros + taken
    else
      pins[#pins + 1] = { name = lot.name, micros = taken }
    end
  end
  local beyond = spend_from_lots(books, micros, pin)
  if beyond > 0 then
    pin(lot_of(books, OVERDRAFT), beyond)
  end
end

-- Spend `charge` of what is pinned, the first to be spent first, and give the rest back to where it
-- came from, or to expired where the lot has expired meanwhile (rule M4).
local function give_back(books, pins, charge)
  local available = books.total.available
  for _, pin in ipairs(pins) do
    pin.lot = lot_of(books, pin.name)
  end
  table.sort(pins, function(one, other)
    if one.lot.expires ~= other.lot.expires then
      return one.lot.expires < other.lot.expires
    end
    return one.name < other.name
  end)
  for _, pin in ipairs(pins) do
    local used = math.min(pin.micros, charge)
    charge = charge - used
    move(books, pin.lot, 'held', 'spent', used)
    local rest_to = pin.lot.expires <= books.now and 'expired' or 'available'
    move(books, pin.lot, 'held', rest_to, pin.micros - used)
  end
  return books.total.available - available
end

-- The first of the slices ("SECONDS TOTAL SECONDS TOTAL ...", the longest first) whose total price
-- less what is held already is at most `micros`: seconds, total; or nil, nil. Then the least total.
local function longest_slice(slices, held, micros)
  local least
  for seconds, total in string.gmatch(slices, '(%d+) (%d+)') do
    least = tonumber(total)
    if least - held <= micros and least <= AMOUNT_MAX then
      return tonumber(seconds), least, least
    end
  end
  return nil, nil, least
end

-- Seconds that a pool can still give, up to those wanted (slices have one source).
local function pool_slice(pool, size, wanted)
  local cells = redis.call('HMGET', pool, 'used', 'held')
  local left = size - tonumber(cells[1] or '0') - tonumber(cells[2] or '0')
  return math.max(0, math.min(wanted, left))
end

-- Move seconds within a pool: free, held, used.
local function move_seconds(books, pool, name, from, to, seconds)
  if seconds == 0 then
    return
  end
  if from == 'held' then
    redis.call('HINCRBY', pool, 'held', text(-seconds))
  end
  if to ~= 'free' then
    redis.call('HINCRBY', pool, to, text(seconds))
  end
  books.moves[#books.moves + 1] = 'pool:' .. name .. ' ' .. from .. ' ' .. to .. ' ' .. text(seconds)
end

-- Tell once of a pool that 80 % of it are taken, and once that all of it is (rule R6); and again
-- after it has grown.
local function watch_pool(pool, name, size)
  local cells = redis.call('HMGET', pool, 'used', 'held', 'told', 'told_size')
  local taken = tonumber(cells[1] or '0') + tonumber(cells[2] or '0')
  local percent = taken >= size and 100 or taken * 100 >= size * 80 and 80 or 0
  local told = size <= tonumber(cells[4] or '0') and tonumber(cells[3]) or 0
  if percent > told then
    redis.call('HSET', pool, 'told', text(percent), 'told_size', text(size))
    event('pool_used', 'pool', name, 'percent', text(percent), 'seconds', text(taken),
      'size', text(size))
  end
end

-- Note the entry that changed a pool, which is forgotten some time after its end: also one that this
-- entry has made anew.
local function keep_pool(pool, entry, until_ms)
  redis.call('HSET', pool, 'entry', entry)
  redis.call('PEXPIREAT', pool, until_ms)
end

-- The call of a settlement or a void, KEYS[6]: the answer that stands in its way, or its hold.
local function call_to_close(print, user, pool_name)
  local cells = redis.call('HMGET', KEYS[6], 'state', 'answer:close', 'held', 'pins', 'pool',
    'pool_seconds', 'user', 'type', 'number', 'rate', 'pool_until', 'latest', 'caller', 'conference',
    'organizer')
  local stored = answered(cells[2], print)
  if stored or cells[1] ~= 'active' then
    return stored or 'refused closed 0'
  end
  if cells[5] ~= pool_name or cells[7] ~= user then
    return 'refused conflict 0'
  end
  return nil, { held = tonumber(cells[3]), pins = cells[4], pool = pool_name,
    pool_seconds = tonumber(cells[6]), user = user, type = cells[8], number = cells[9],
    rate = cells[10], pool_until = cells[11], latest = read_latest(cells[12]),
    caller = cells[13] or '', conference = cells[14] or '', organizer = cells[15] or cells[7] }
end

-- End a call's hold for good. All that is known of the call goes into its entry of the journal, for
-- its hash goes away; what follows `pool_seconds` too.
local function close_call(print, operation, hold, charge, pool_seconds, ...)
  local call, live, pool = KEYS[6], KEYS[7], KEYS[9]
  local call_id = ARGV[2]
  local books = open_books(now_ms())
  local parties = parties_to(books, hold.user, KEYS[8])
  count_call(parties, -1)
  count_returned(parties, hold.latest, hold.held - charge)
  local returned = give_back(books, read_pins(hold.pins), charge)
  if pool then
    move_seconds(books, pool, hold.pool, 'held', 'used', pool_seconds)
    move_seconds(books, pool, hold.pool, 'held', 'free', hold.pool_seconds - pool_seconds)
  end
  if books.waiting ~= '' and (hold.held > charge or hold.pool_seconds > pool_seconds) then
    -- What one call gives back, another in its last slice may use (rule D4).
    change(books, 'waiting', '')
    event('credit')
  end
  enter(books, operation, 'call', call_id, 'user', hold.user, 'type', hold.type,
    'number', hold.number, 'rate', hold.rate, 'caller', hold.caller,
    'conference', hold.conference, 'organizer', hold.conference ~= '' and hold.organizer or '', ...)
  repay(books)
  local entry = close_books(books, 0)
  write_user(parties)
  if hold.pool_seconds > 0 then
    keep_pool(pool, entry, hold.pool_until)
  end
  redis.call('SREM', live, ARGV[1] .. '/' .. call_id)
  -- What a repeated question needs, and for as long as one may come. The new comes before the old
  -- goes: a key that is gone cannot be made again while a cluster moves its slot.
  local known = redis.call('HKEYS', call)
  redis.call('HSET', call, 'state', 'closed')
  redis.call('EXPIRE', call, CLOSED_LIFE_SECONDS)
  local answer = keep_answer(call, 'answer:close', print, 'settled ' .. text(charge) .. ' '
    .. text(returned) .. ' ' .. text(books.total.available))
  local over = {}
  for _, name in ipairs(known) do
    if name ~= 'state' then
      over[#over + 1] = name
    end
  end
  redis.call('HDEL', call, unpack(over))
  return answer
end
