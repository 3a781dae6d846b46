-- What can be set of an account and of each user, in the hash of either: limits, and a profile of
-- words that only callers understand.

-- Licences are counted by what users have set themselves, as "COUNTRY PLANS".
local NOTHING_SET = ' '

-- Change what ARGV names: of these fields amounts from `first` on ("": left as it is), of the
-- profile names and values from `pairs_from` on.
local function change_settings(of, fields, first, pairs_from)
  for at, field in ipairs(fields) do
    local word = ARGV[first + at - 1]
    if word ~= '' then
      change(of, field, amount(word))
    end
  end
  for at = pairs_from, #ARGV, 2 do
    change(of, 'profile.' .. ARGV[at], ARGV[at + 1])
  end
end
