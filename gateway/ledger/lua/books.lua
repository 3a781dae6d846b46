-- An account and its lots: read once, changed in memory by `move`, written by `close_books`.

-- Read what stands of PARTY in the cells of a hash, after `before` others; what is not there yet is
-- nothing.
local function read_party(party, cells, before)
  party.day, party.month = cells[before + 1] or '', cells[before + 2] or ''
  for at = 3, #PARTY do
    party[PARTY[at]] = tonumber(cells[before + at] or 0)
  end
end

-- The account as it was written last; nil if it is not open.
local function read_books(now)
  local cells = redis.call('HMGET', KEYS[1], 'granted', 'available', 'held', 'spent', 'expired',
    'reversed', 'currency', 'overdraft', 'low_below', 'low', 'exhausted', 'recharge_below',
    'recharge_amount', 'recharge_key', 'recharge_after', 'recharges', 'waiting', unpack(PARTY))
  if not cells[7] then
    return nil
  end
  local total = {}
  for at, part in ipairs(PARTS) do
    total[part] = tonumber(cells[at])
  end
  local books = {
    now = now,
    total = total,
    currency = cells[7],
    overdraft = tonumber(cells[8]),
    low_below = tonumber(cells[9]),
    low = cells[10],
    exhausted = cells[11],
    recharge_below = tonumber(cells[12]),
    recharge_amount = tonumber(cells[13]),
    recharge_key = cells[14],
    recharge_after = tonumber(cells[15]),
    recharges = tonumber(cells[16]),
    waiting = cells[17], -- '1' after a live call was refused its next slice
    lots = {}, -- those that were read, by name
    touched = {}, -- those that were changed, in the order of their first change
    moves = {}, -- those that are no entry of the journal yet
    entries = {}, -- of the journal, to be written
    changes = {}, -- of the account's other fields, to be written
  }
  read_party(books, cells, 17)
  return books
end

-- A lot, read once; nil if there is none of that name.
local function lot_of(books, name)
  local lot = books.lots[name]
  if lot then
    return lot
  end
  local cells = redis.call('HGET', KEYS[2], name)
  if not cells then
    if name ~= OVERDRAFT and name ~= RETIRED then
      return nil
    end
    -- Beyond the lots that never expire, so that it is spent after them.
    cells = '0 0 0 0 0 0 0 ' .. text(NEVER_MS + 1) .. ' 0'
  end
  lot = { name = name }
  local at = 0
  for cell in string.gmatch(cells, '%S+') do
    at = at + 1
    lot[LOT_CELLS[at]] = tonumber(cell)
  end
  lot.listed = lot.available > 0
  books.lots[name] = lot
  return lot
end

local function touch(books, lot)
  if not lot.touched then
    lot.touched = true
    books.touched[#books.touched + 1] = lot
  end
end

-- Move money from one part of a lot to another. What is granted comes from outside, and is the sum
-- of the other parts.
local function move(books, lot, from, to, micros)
  if micros == 0 then
    return
  end
  for _, side in ipairs({ lot, books.total }) do
    side[from] = side[from] + (from == 'granted' and micros or -micros)
    side[to] = side[to] + micros
  end
  touch(books, lot)
  books.moves[#books.moves + 1] = lot.name .. ' ' .. from .. ' ' .. to .. ' ' .. text(micros)
end

-- Make an entry of the journal from the moves since the one before.
local function enter(books, operation, ...)
  books.entries[#books.entries + 1] = { 'op', operation, 'account', ARGV[1],
    'available', text(books.total.available), 'moves', table.concat(books.moves, ';'), ... }
  books.moves = {}
end

-- Take the lots whose time has come out of available (rule M2).
local function lapse(books)
  local expired = books.total.expired
  for _, name in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', text(books.now))) do
    local lot = lot_of(books, name)
    move(books, lot, 'available', 'expired', lot.available)
  end
  if #books.moves > 0 then
    enter(books, 'expire')
  end
  books.lapsed = books.total.expired - expired
end

-- The account as it is now, as one table, to be changed in memory and written by `close_books`; nil
-- if it is not open.
local function open_books(now)
  local books = read_books(now)
  if books then
    lapse(books)
  end
  return books
end

-- Call `use` with each lot that has money available and what is used of it, in the order of spending
-- (rule M3), up to `micros`; give what the lots do not cover.
local function spend_from_lots(books, micros, use)
  local at = 0
  while micros > 0 do
    local name = redis.call('ZRANGE', KEYS[3], at, at)[1]
    if not name then
      break
    end
    local lot = lot_of(books, name)
    local used = math.min(micros, lot.available)
    use(lot, used)
    micros = micros - used
    at = at + 1
  end
  return micros
end

-- What a call may use: what is available, and beyond that its overdraft.
local function spendable(books)
  return books.total.available + books.overdraft
end

-- Change a field of the account, or of another table whose `changes` are to be written to a hash.
local function change(of, field, value)
  local changes = of.changes
  of[field] = value
  changes[#changes + 1] = field
  changes[#changes + 1] = type(value) == 'number' and text(value) or value
end

local function event(kind, ...)
  redis.call('XADD', KEYS[5], '*', 'event', kind, 'account', ARGV[1], ...)
end

-- Claim one recharge if available is below the trigger, none is under way, and no pause after a
-- failure is running (rules R1, R2). The key is stored before anybody is asked to pay.
local function claim_recharge(books)
  if books.recharge_amount == 0 or books.total.available >= books.recharge_below then
    return
  end
  if books.recharge_key ~= '' or books.now < books.recharge_after then
    return
  end
  change(books, 'recharges', books.recharges + 1)
  change(books, 'recharge_key', 'recharge-' .. ARGV[1] .. '-' .. text(books.recharges))
  event('recharge_due', 'key', books.recharge_key, 'amount', text(books.recharge_amount),
    'currency', books.currency)
end

-- Tell once that the balance is low, and once that it is used up: that nothing is left, or less
-- than the `needed` micro-units of a call, were all that is held given back. `lifted` ends the
-- episode: money came.
local function watch(books, needed, lifted)
  local total = books.total
  local balance = total.available + total.held
  local spending = balance + books.overdraft
  -- Nobody is told of an account that never had any credit.
  local had = total.granted > 0 or books.overdraft > 0
  local low = had and balance < books.low_below
  local exhausted = had and (spending <= 0 or spending < needed)
  if low and books.low == '' then
    change(books, 'low', '1')
    event('low', 'available', text(total.available), 'held', text(total.held),
      'below', text(books.low_below))
  elseif not low and books.low ~= '' then
    change(books, 'low', '')
  end
  if exhausted and books.exhausted == '' then
    change(books, 'exhausted', '1')
    event('exhausted', 'available', text(total.available), 'held', text(total.held),
      'needed', text(needed))
  elseif lifted and not exhausted and books.exhausted ~= '' then
    change(books, 'exhausted', '')
  end
end

-- Write the lots that were changed. One that has nothing left is over: it leaves the lots, and only
-- its sums stay, or memory would grow with every lot that was ever spent. What is new is written
-- before what is over goes: a key that is gone cannot be made again while a cluster moves its slot.
local function write_lots(books)
  local over, unlisted = {}, {}
  for _, lot in ipairs(books.touched) do -- also those that are touched meanwhile
    if lot.available == 0 and lot.held == 0 and lot.name ~= RETIRED then
      local retired = lot_of(books, RETIRED)
      for _, part in ipairs(PARTS) do
        retired[part] = retired[part] + lot[part]
      end
      touch(books, retired)
      over[#over + 1] = lot.name
      books.lots[lot.name] = nil
    else
      local cells = {}
      for at, cell in ipairs(LOT_CELLS) do
        cells[at] = text(lot[cell])
      end
      redis.call('HSET', KEYS[2], lot.name, table.concat(cells, ' '))
    end
    if lot.available > 0 and not lot.listed then
      redis.call('ZADD', KEYS[3], text(lot.expires), lot.name)
    elseif lot.available <= 0 and lot.listed then
      unlisted[#unlisted + 1] = lot.name
    end
    lot.listed, lot.touched = lot.available > 0, false
  end
  for _, name in ipairs(over) do
    redis.call('HDEL', KEYS[2], name)
  end
  for _, name in ipairs(unlisted) do
    redis.call('ZREM', KEYS[3], name)
  end
  books.touched = {}
end

-- Let lots that have money pay what was spent beyond all lots; the account's sums stay the same.
local function repay(books)
  local debt = lot_of(books, OVERDRAFT)
  if debt.spent == 0 then
    return
  end
  write_lots(books)
  spend_from_lots(books, debt.spent, function(lot, micros)
    move(books, debt, 'spent', 'available', micros)
    move(books, lot, 'available', 'spent', micros)
  end)
  if #books.moves > 0 then
    enter(books, 'repay')
  end
end

-- Write the account; give the id of its last entry in the journal. Said to `watch`: `needed`, the
-- price that could not be paid, or 0; `lifted`, whether money came.
local function close_books(books, needed, lifted)
  write_lots(books)
  local entry
  for _, fields in ipairs(books.entries) do
    entry = redis.call('XADD', KEYS[4], '*', unpack(fields))
  end
  watch(books, needed, lifted)
  claim_recharge(books)
  if entry then
    for _, part in ipairs(PARTS) do
      table.insert(books.changes, part)
      table.insert(books.changes, text(books.total[part]))
    end
    table.insert(books.changes, 'entry')
    table.insert(books.changes, entry)
  end
  if #books.changes > 0 then
    redis.call('HSET', KEYS[1], unpack(books.changes))
  end
  return entry
end
