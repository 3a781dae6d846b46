-- The recharge of an account: a machine whose state is in the account's hash. After books.lua and
-- calendar.lua.
--
-- There is one at a time (rule R2), and while there is one it has a key, which is stored before
-- anybody is asked to pay (rule R3). It is claimed, then submitted, and unknown while there is no
-- answer. Once it is paid or has failed there is no key: then it may be claimed again, but not before
-- a pause after a failure is over, nor while recharges are suspended or a cap is reached.
-- Caps count days and months in UTC. What fails is not counted.

local FAILURES_MAX = 10 -- in a row, each after a longer pause
local ON_ITS_WAY_MS = 60000 -- after its claim; what takes longer may take days
-- Why recharges are suspended: what only an admin ends, however else it may be.
local BY_ADMIN = 'by_admin'
local NEEDS_ADMIN = { [BY_ADMIN] = true, disputed = true, currency_differs = true, too_large = true,
  payment_id_reused = true }
local RECHARGE_WORDS = { 'recharge_key', 'recharge_status', 'recharge_method', 'recharge_tried',
  'recharge_declined', 'recharge_by', 'recharge_suspended', 'recharge_capped', 'methods' }
local RECHARGE_NUMBERS = { 'recharges', 'recharge_asked', 'recharge_claimed', 'recharge_begun',
  'recharge_after', 'recharge_failures', 'recharge_day', 'recharge_day_count', 'recharge_month',
  'recharge_month_micros', 'recharge_day_max', 'recharge_month_max' }

-- Read the machine, once, where it may have to do something: few operations need it. What was
-- changed already, as settings are, stays.
local function read_recharge(books)
  if books.recharge_key then
    return
  end
  for at, cell in ipairs(redis.call('HMGET', KEYS[1], unpack(RECHARGE_WORDS))) do
    books[RECHARGE_WORDS[at]] = books[RECHARGE_WORDS[at]] or cell
  end
  for at, cell in ipairs(redis.call('HMGET', KEYS[1], unpack(RECHARGE_NUMBERS))) do
    books[RECHARGE_NUMBERS[at]] = books[RECHARGE_NUMBERS[at]] or tonumber(cell)
  end
end

local function is_claimed(books, key)
  read_recharge(books)
  return books.recharge_key ~= '' and books.recharge_key == key
end

-- Whether money may come any moment.
local function is_on_its_way(books)
  read_recharge(books)
  return books.recharge_key ~= '' and books.recharge_status ~= 'unknown'
    and books.now < books.recharge_claimed + ON_ITS_WAY_MS
end

local function is_due(books)
  return books.recharge_amount > 0 and books.total.available < books.recharge_below
end

-- Why no recharge is on its way.
local function why_not_recharged(books)
  read_recharge(books)
  if books.recharge_key ~= '' then
    return books.recharge_status == 'unknown' and 'unknown' or 'pending'
  elseif not is_due(books) then
    return 'off'
  elseif books.recharge_suspended ~= '' then
    return 'suspended'
  elseif books.now < books.recharge_after then
    return 'cooldown'
  end
  return 'capped'
end

local function tell_of_recharge(books, kind, ...)
  event(kind, 'available', text(books.total.available), 'held', text(books.total.held), ...)
end

-- Count a recharge, or count it no more (`one` is -1) if the day, or the month, is still the same.
local function count_recharge(books, at_ms, one, micros)
  for period, number in pairs({ day = day_number(books.now), month = month_number(books.now) }) do
    if books['recharge_' .. period] ~= number then
      change(books, 'recharge_' .. period, number)
      change(books, period == 'day' and 'recharge_day_count' or 'recharge_month_micros', 0)
    end
  end
  if day_number(at_ms) == books.recharge_day then
    change(books, 'recharge_day_count', books.recharge_day_count + one)
  end
  if month_number(at_ms) == books.recharge_month then
    change(books, 'recharge_month_micros', books.recharge_month_micros + one * micros)
  end
end

-- The cap that the next recharge would go beyond, as "day 20785", or ''.
local function cap_of(books, micros)
  local day, month = day_number(books.now), month_number(books.now)
  local count = books.recharge_day == day and books.recharge_day_count or 0
  local spent = books.recharge_month == month and books.recharge_month_micros or 0
  if count >= books.recharge_day_max then
    return 'day ' .. text(day)
  elseif books.recharge_month_max > 0 and spent + micros > books.recharge_month_max then
    return 'month ' .. text(month)
  end
  return ''
end

-- The first of the account's methods that was not tried; nil if all were. '' stands for an account
-- that names none: its provider knows.
local function untried_method(books)
  local methods = books.methods == '' and { '' } or {}
  for method in string.gmatch(books.methods, '[^,]+') do
    methods[#methods + 1] = method
  end
  for _, method in ipairs(methods) do
    if not string.find(books.recharge_tried, ',' .. method .. ',', 1, true) then
      return method
    end
  end
end

-- Let a provider be asked by this method, with a key that no other store has made.
local function ask_by(books, method)
  change(books, 'recharges', books.recharges + 1)
  change(books, 'recharge_key', 'recharge-' .. ARGV[1] .. '-' .. text(books.now) .. '-'
    .. text(books.recharges))
  change(books, 'recharge_status', 'claimed')
  change(books, 'recharge_begun', books.now)
  change(books, 'recharge_method', method)
  change(books, 'recharge_tried', books.recharge_tried .. method .. ',')
  event('recharge_due', 'key', books.recharge_key, 'amount', text(books.recharge_asked),
    'currency', books.currency, 'method', method)
end

local function begin_recharge(books, micros, by)
  count_recharge(books, books.now, 1, micros)
  change(books, 'recharge_asked', micros)
  change(books, 'recharge_claimed', books.now)
  change(books, 'recharge_tried', ',')
  change(books, 'recharge_declined', '')
  change(books, 'recharge_by', by)
  ask_by(books, untried_method(books))
end

-- Claim a recharge if available is below the trigger and nothing is in its way (rules R1, R2).
local function claim_recharge(books)
  if not is_due(books) then
    return
  end
  read_recharge(books)
  if books.recharge_key ~= '' or books.recharge_suspended ~= ''
    or books.now < books.recharge_after then
    return
  end
  local cap = cap_of(books, books.recharge_amount)
  if cap == '' then
    begin_recharge(books, books.recharge_amount, '')
  elseif cap ~= books.recharge_capped then
    change(books, 'recharge_capped', cap)
    tell_of_recharge(books, 'recharge_capped', 'limit', string.match(cap, '^%a+'))
  end
end

-- End the recharge that is under way, as one that was paid.
local function recharge_is_over(books)
  change(books, 'recharge_key', '')
  change(books, 'recharge_status', '')
  change(books, 'recharge_after', 0)
  change(books, 'recharge_failures', 0)
end

-- End it as one that was not, and count it no more.
local function drop_recharge(books)
  count_recharge(books, books.recharge_claimed, -1, books.recharge_asked)
  change(books, 'recharge_key', '')
  change(books, 'recharge_status', '')
end

-- Drop a recharge of which no provider has heard yet; of another, no further method is asked, even
-- if an admin asked for it.
local function cancel_recharge(books)
  read_recharge(books)
  change(books, 'recharge_by', '')
  if books.recharge_key ~= '' and books.recharge_status == 'claimed' then
    drop_recharge(books)
  end
end

-- Let recharges be claimed again at once.
local function resume_recharge(books)
  change(books, 'recharge_suspended', '')
  change(books, 'recharge_failures', 0)
  change(books, 'recharge_after', 0)
end

-- Let no recharge be claimed for a reason, unless a weightier one stands; tell whether it is new.
local function suspend_recharge(books, reason)
  local before = books.recharge_suspended
  if before == reason or before == BY_ADMIN or (NEEDS_ADMIN[before] and reason ~= BY_ADMIN) then
    return false
  end
  resume_recharge(books)
  change(books, 'recharge_suspended', reason)
  return true
end
