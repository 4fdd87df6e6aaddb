/** How far a training is, on stderr, so that stdout holds the results alone. */

/** Says where it is: live on a terminal, elsewhere a line every 100 steps. */
export function progressOf(name: string, total: number): (step: number, loss: number) => void {
  const begin = performance.now();
  const { isTTY } = process.stderr;
  return (step, loss) => {
    if (step % (isTTY ? 5 : 100) !== 0 && step !== total) return;
    const perSecond = (1000 * step) / (performance.now() - begin);
    const left = Math.ceil((total - step) / perSecond);
    const text = `${name}  ${step}/${total}  ${perSecond.toFixed(0)} steps/s  ETA ${left} s  loss ${loss.toFixed(3)}`;
    process.stderr.write(isTTY ? `\r${text}\u001B[K${step === total ? "\n" : ""}` : `${text}\n`);
  };
}
