/*
 * Who waits for lanes to be idle before they are let go: for what is in hand of them, and no longer than until a moment that may come nearer.
 */
import { type Clock, type Timer } from '../../base/clock.ts'
import { type Lane } from './lane.ts'

/** As long as a timer can be. */
const LONGEST_MS = 0x7fff_ffff

/** The waits of one loop. */
export class Drains<K, V> {
  private readonly clock: Clock
  private readonly looks = new Set<() => void>()

  constructor(clock: Clock) {
    this.clock = clock
  }

  /**
   * Lets nothing more be handed out of these lanes, and waits until nothing of them is in hand.
   *
   * @param deadline  monotonic; asked again with every look
   */
  async run(lanes: readonly Lane<K, V>[], deadline: () => number): Promise<void> {
    for (const lane of lanes) if (lane.state === 'open') lane.state = 'draining'
    const { clock } = this
    await new Promise<void>((resolve) => {
      let timer: Timer | undefined
      const look = (): void => {
        timer?.cancel()
        const left = deadline() - clock.monotonic()
        if (left > 0 && lanes.some((lane) => lane.state !== 'closed' && !lane.isIdle)) {
          timer = clock.setTimer(look, Math.min(left, LONGEST_MS))
          return
        }
        this.looks.delete(look)
        resolve()
      }
      this.looks.add(look)
      look()
    })
  }

  /** Something was finished, or a deadline came nearer: who waits looks again. */
  look(): void {
    if (this.looks.size > 0) for (const look of [...this.looks]) look()
  }
}
