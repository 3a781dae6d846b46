-- What can be set of an account and of each user, in the hash of either, by their names: amounts, and
-- words that only callers understand. After prelude.lua.

-- Licences are counted by what users have set themselves, as "COUNTRY PLANS".
local NOTHING_SET = ' '
local IS_AMOUNT = {}
for _, name in ipairs({ 'overdraft', 'low_below', 'low_percent', 'recharge_below', 'recharge_amount',
  'recharge_day_max', 'recharge_month_max', unpack(LIMITS) }) do
  IS_AMOUNT[name] = true
end

-- Change what ARGV names, pairs of names and values from `first` on; give them by name.
local function change_settings(of, first)
  local set = {}
  for at = first, #ARGV, 2 do
    local name, word = ARGV[at], ARGV[at + 1]
    set[name] = word
    change(of, name, IS_AMOUNT[name] and amount(word) or word)
  end
  return set
end
