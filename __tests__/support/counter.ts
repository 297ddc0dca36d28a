/**
 * A program that counts to 6, with a checkpoint after each, and goes on from one. The file that STOP names says after which count it
 * fails; SIZE is that of a file beside the count, and WAIT one that is waited for before the end.
 */
export const COUNTER = `set -e
n=0
if [ -n "$TRAINYARD_RESUME_FROM" ]; then n=$(cat "$TRAINYARD_RESUME_FROM/count"); echo "resumed at $n"; fi
while [ $n -lt 6 ]; do
  n=$((n + 1))
  mkdir "$TRAINYARD_CHECKPOINT_DIR/.new"
  echo $n > "$TRAINYARD_CHECKPOINT_DIR/.new/count"
  head -c "\${SIZE:-0}" /dev/zero > "$TRAINYARD_CHECKPOINT_DIR/.new/large"
  mv "$TRAINYARD_CHECKPOINT_DIR/.new" "$TRAINYARD_CHECKPOINT_DIR/step-$n"
  if [ -e "$STOP" ] && [ $n -eq "$(cat "$STOP")" ]; then echo "fails at $n"; exit 3; fi
done
echo counted
while [ -n "$WAIT" ] && ! [ -e "$WAIT" ]; do sleep 0.05; done
echo "model of $n" > "$TRAINYARD_OUTPUT_DIR/model"`;
