package pool

import (
	"runtime"
	"time"

	"github.com/shoal-ipc/shoal/internal/satomic"
	"github.com/shoal-ipc/shoal/internal/sys"
	"github.com/shoal-ipc/shoal/queue"
)

// lingerTime is how long a worker that has done something, and whoever waits for
// results, look for more before they sleep. It is longer than it takes to wake the
// other side: if it were shorter, each would be asleep when the other answers, and
// so both at every task.
const lingerTime = 50 * time.Microsecond

// lingerPolls is how often they look between two looks at the time.
const lingerPolls = 8

// linger calls try until it returns another error than queue.ErrEmpty, but for not
// much longer than lingerTime. There may be more processes than processors, and who is
// to answer may wait for this one: so others go first.
func linger(try func() error) error {
	err := try()
	if err != queue.ErrEmpty || !mayLinger() { //nolint:errorlint // never wrapped
		return err
	}
	for start := time.Now(); ; sys.Yield() {
		for range lingerPolls {
			if err = try(); err != queue.ErrEmpty { //nolint:errorlint // as above
				return err
			}
		}
		if time.Since(start) >= lingerTime {
			return err
		}
	}
}

// mayLinger reports whether another processor could do meanwhile what is waited
// for, and no test counts the steps.
func mayLinger() bool {
	return !satomic.Checked && runtime.GOMAXPROCS(0) > 1 && runtime.NumCPU() > 1
}
