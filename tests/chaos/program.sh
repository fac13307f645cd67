#!/bin/sh
# The exec handler of the chaos run: program.sh FILE. Tells FILE when it begins and ends; each line is one write to a
# file that is open for appending, so lines of several processes do not mix.
IFS= read -r job
ms=$(printf '%s' "$job" | sed -n 's/.*"data":{[^}]*"ms":\([0-9]*\).*/\1/p')
fails=$(printf '%s' "$job" | sed -n 's/.*"data":{[^}]*"fails":\([0-9]*\).*/\1/p')
run="p$$-$(date +%s%N)"
now() { date +%s%3N; }
printf '{"event":"start","run":"%s","job":"%s","attempt":%s,"by":"program","at":%s}\n' \
  "$run" "$JOB_ID" "$JOB_ATTEMPT" "$(now)" >>"$1"
printf '{"progress":{"run":"%s"}}\n' "$run"
sleep "$(printf '%d.%03d' $((ms / 1000)) $((ms % 1000)))"
if [ "$JOB_ATTEMPT" -le "$fails" ]; then
  printf '{"event":"end","run":"%s","at":%s,"as":"failed"}\n' "$run" "$(now)" >>"$1"
  printf '{"error":"designed failure of attempt %s, run %s."}\n' "$JOB_ATTEMPT" "$run"
  exit 1
fi
printf '{"event":"end","run":"%s","at":%s,"as":"done"}\n' "$run" "$(now)" >>"$1"
printf '{"result":{"run":"%s"}}\n' "$run"
