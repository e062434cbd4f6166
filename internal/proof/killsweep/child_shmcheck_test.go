//go:build linux && shmcheck

package killsweep

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/satomic"
	"github.com/shoal-ipc/shoal/internal/wait"
	"github.com/shoal-ipc/shoal/shm"
)

// A child is this test binary, started again: it takes orders by lines.
const childEnv = "SHOAL_KILL_SWEEP"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		newChild().obey()
		return
	}
	wait.WithoutSlice() // for good: in the survivor no sleep ends by itself either
	flag.Parse()
	if err := flag.Set("test.parallel", strconv.Itoa(2*runtime.GOMAXPROCS(0))); err != nil { // a sweep waits half of the time
		panic(err)
	}
	os.Exit(m.Run())
}

// order tells a child what to do. It says "ready" when all that precedes the
// operation is done, waits for "go", and says "done" at the end.
type order struct {
	Stage, Operation string
	Part             int    // of the table that has the stage
	Dir              string // of the segment's file
	Kill             int    // the step at which it dies; 0: none
	Pause            int    // the step at which it says "paused" and waits for "go"; 0: none
}

// report is what comes after "done".
type report struct {
	Steps int
	Said  string
	Error string
}

type child struct {
	lines chan string
	open  map[string]*shm.Segment // by order.Dir
}

// newChild begins to read orders. A child whose parent is gone ends.
func newChild() *child {
	wait.WithoutSlice() // for good: no sleep of this process ends by itself
	c := &child{lines: make(chan string), open: map[string]*shm.Segment{}}
	go func() {
		for in := bufio.NewScanner(os.Stdin); in.Scan(); {
			c.lines <- in.Text()
		}
		os.Exit(0)
	}()
	return c
}

func (c *child) obey() {
	runtime.LockOSThread() // its steps are told from those of others by the thread
	for line := range c.lines {
		var o order
		err := json.Unmarshal([]byte(line), &o)
		r := report{}
		if err == nil {
			r, err = c.perform(o)
		}
		if err != nil {
			r.Error = err.Error()
		}
		text, err := json.Marshal(r)
		if err != nil {
			panic(err)
		}
		fmt.Println("done", string(text))
	}
}

func (c *child) perform(o order) (report, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s, err := stageOf(part(o.Part), o.Stage)
	if err != nil {
		return report{}, err
	}
	op := repairing()
	if o.Operation != op.name {
		if op, err = s.operation(o.Operation); err != nil {
			return report{}, err
		}
	}
	w, err := c.enter(ctx, s, op, o.Dir)
	if err != nil {
		return report{}, err
	}
	if op.before != nil {
		if err := op.before(ctx, w); err != nil {
			return report{}, fmt.Errorf("before: %w", err)
		}
	}
	fmt.Println("ready")
	<-c.lines
	steps := c.arm(o, op.everywhere)
	said, err := op.do(ctx, w)
	satomic.SetHook(nil)
	return report{Steps: int(steps.Load()), Said: said}, err
}

// enter opens what the operation is run on.
func (c *child) enter(ctx context.Context, s *stage, op *operation, dir string) (world, error) {
	p := place{opts: &shm.Options{Dir: dir}}
	if !op.bare {
		if c.open[dir] == nil {
			seg, err := shm.Open(ctx, segmentName, p.opts)
			if err != nil {
				return nil, err
			}
			c.open[dir] = seg
		}
		p.seg = c.open[dir]
	}
	if op.name == repairing().name {
		return repairer(p), nil
	}
	return s.open(ctx, p)
}

// arm makes the steps count from now on.
func (c *child) arm(o order, everywhere bool) *atomic.Int64 {
	steps := new(atomic.Int64)
	me := syscall.Gettid()
	satomic.SetHook(func() {
		if !everywhere && syscall.Gettid() != me {
			return
		}
		switch int(steps.Add(1)) {
		case o.Kill:
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		case o.Pause:
			fmt.Println("paused")
			<-c.lines
		}
	})
	return steps
}

// patience is how long anything may take here before it counts as a hang.
const patience = time.Minute
