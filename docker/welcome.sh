# Opens the account of the softphone, if it is not open yet, and says how to go on.
set -eu
coinbox accounts open contoso --currency USD --user ana --set country=DE
# 2 minutes at 0.0115; the reference is booked once, for ever.
coinbox accounts grant contoso 0.023 --reference welcome
cat <<TEXT

Coinbox decides what this PBX calls.

  Softphone   ana at $ADDRESS:5060 over UDP, password $(cat /run/secrets/softphone)
  Call        +44 20 7123 4500: it answers, and is cut after two minutes, when the credit ends;
              30 s and 10 s before, a voice tells what is left. 112 rings without any credit.
  Credit      docker compose exec gateway coinbox accounts grant contoso 5.00 --reference mine-1
  Token       docker compose exec gateway cat /run/secrets/coinbox_http__token
  Calls       curl -H "Authorization: Bearer TOKEN" http://127.0.0.1:8080/v1/calls
  Recharges   docker compose exec gateway coinbox accounts set contoso --set recharge_below=0.01 --set recharge_amount=5
              curl -X PUT http://127.0.0.1:8090/orders -d '{"behaviour": "decline"}'   makes the card fail
  Mails       docker compose logs mail
TEXT
