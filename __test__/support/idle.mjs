// Waits until what runs before a program has nothing in flight: from Node 22 on, tsx looks for a server of its own by
// then. As long as it does, `free()` lets viewed blocks go, and the program would measure that.
import { setTimeout } from 'node:timers/promises'

// oxlint-disable-next-line no-await-in-loop -- it is asked again each time
while (process.getActiveResourcesInfo().includes('ConnectWrap')) await setTimeout(1)
