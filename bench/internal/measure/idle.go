package measure

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/shoal-ipc/shoal/bench/internal/harness"
	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/queue"
	"github.com/shoal-ipc/shoal/semaphore"
	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/value"
)

func idleJobs() map[string]Job {
	return map[string]Job{"shoal/idle": idle}
}

// idle has many segments and handles, does nothing for a while, and prints the
// processor time that it used for each second of it; and how many threads and how
// much memory it has.
func idle(ctx context.Context, p *Place) (harness.Sample, error) {
	segments := p.Int("segments")
	kept := make([]any, 0, 5*segments)
	for i := range segments {
		seg, err := shm.Create(ctx, fmt.Sprint("s", i), shm.Spec{Size: 64 << 10, Participants: 16}, &shm.Options{Dir: p.Dir})
		if err != nil {
			return harness.Sample{}, err
		}
		for n := range p.Int("handles") / segments / 5 {
			m, err := lock.CreateMutex(ctx, seg, fmt.Sprint("mutex", n), lock.Spec{})
			s, err2 := semaphore.Create(ctx, seg, fmt.Sprint("semaphore", n), semaphore.Spec{Permits: 1})
			v, err3 := value.Create(ctx, seg, fmt.Sprint("value", n), [2]int64{})
			e, err4 := lock.CreateEvent(ctx, seg, fmt.Sprint("event", n))
			q, err5 := queue.Create[int64](ctx, seg, fmt.Sprint("queue", n), queue.Spec{Cap: 4, SlotSize: 8, MaxSize: 8, Heap: 64})
			if err := errors.Join(err, err2, err3, err4, err5); err != nil {
				return harness.Sample{}, err
			}
			kept = append(kept, m, s, v, e, q)
		}
	}
	runtime.GC()
	<-time.After(100 * time.Millisecond) // what begins with the last handle has begun
	used, start := cpuTime(), time.Now()
	<-time.After(4 * time.Second) // audits come every 2 s
	cpu := float64(cpuTime()-used) / time.Since(start).Seconds()
	threads, err := statusField("Threads:")
	memory, err2 := statusField("VmRSS:")
	runtime.KeepAlive(kept)
	return harness.Sample{
		Value: cpu,
		More:  map[string]float64{"CPU a second": cpu, "threads": threads, "memory": memory / 1024},
	}, errors.Join(err, err2)
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // of a pointer that is right
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// statusField returns the number in a line of this process's status.
func statusField(name string) (float64, error) {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			return strconv.ParseFloat(strings.Fields(rest)[0], 64)
		}
	}
	return 0, fmt.Errorf("no %s in the status of this process", name)
}
