//go:build linux

package linear

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/value"
)

// childVariable tells a process that it is a child: directory, kind, number.
const childVariable = "SHOAL_LINEAR_CHILD"

func TestMain(m *testing.M) {
	if text := os.Getenv(childVariable); text != "" {
		if err := child(strings.Split(text, "|")); err != nil {
			fmt.Fprintln(os.Stderr, "child:", err)
			os.Exit(3)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

const (
	lanesOfChild = 2
	watchdog     = time.Minute
)

// kind is a kind of object.
type kind struct {
	name     string
	variants int
	create   func(ctx context.Context, seg *shm.Segment, name string, variant int) error
	open     func(ctx context.Context, seg *shm.Segment, name string, variant int) (func(lane *lane) subject, error)
	check    func(h *history) []part
}

// subject is what a lane does to an object in one round.
type subject interface {
	step() error   // one operation, or a few that belong together
	finish() error // gives back what the lane holds
	audit() error  // looks at everything, when all others have come to their end
}

// lane is a goroutine of a process and its journal.
type lane struct {
	*journal
	number int
	count  uint64
	rand   *rand.Rand
	ctx    context.Context //nolint:containedctx // ends with the process
}

// fresh returns a number that no other lane uses.
func (l *lane) fresh() uint64 {
	l.count++
	return uint64(l.round)<<32 | uint64(l.number)<<16 | l.count
}

// briefly returns a context that ends soon.
func (l *lane) briefly() (context.Context, context.CancelFunc) {
	return context.WithTimeout(l.ctx, time.Duration(50+l.rand.IntN(500))*time.Microsecond)
}

// pause lets others come between.
func (l *lane) pause() {
	switch n := l.rand.IntN(8); {
	case n < 2:
	case n == 2:
		runtime.Gosched()
	default:
		for end := now() + int64(l.rand.IntN(4000)); now() < end; {
		}
	}
}

// child serves rounds until its standard input ends.
func child(args []string) error {
	if len(args) != 3 {
		return fmt.Errorf("%d arguments", len(args))
	}
	dir := args[0]
	k, ok := kindNamed(args[1])
	if !ok {
		return fmt.Errorf("no kind %q", args[1])
	}
	number, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*watchdog)
	defer cancel()
	seg, err := shm.Open(ctx, "linear", &shm.Options{Dir: dir})
	if err != nil {
		return err
	}
	starter, err := value.OpenAtomic[uint64](ctx, seg, "go")
	if err != nil {
		return err
	}
	lanes := make([]*lane, lanesOfChild)
	for i := range lanes {
		n := number*lanesOfChild + i
		j, err := openJournal(dir, n)
		if err != nil {
			return err
		}
		lanes[i] = &lane{journal: j, number: n, rand: rand.New(rand.NewPCG(rand.Uint64(), uint64(n))), ctx: ctx}
	}
	w := &worker{kind: k, seg: seg, starter: starter, lanes: lanes}
	return w.serve(ctx, os.Stdin, os.Stdout)
}

// worker is a child.
type worker struct {
	kind    kind
	seg     *shm.Segment
	starter *value.Atomic[uint64]
	lanes   []*lane
}

// order is what a child is told to do: its line is round, variant, steps, and the
// step of its code at which it is to die.
type order struct{ round, variant, steps, dieAt int }

// serve answers each order with two bytes: ready, and done.
func (w *worker) serve(ctx context.Context, in io.Reader, out io.Writer) error {
	for lines := bufio.NewScanner(in); lines.Scan(); {
		var o order
		if _, err := fmt.Sscan(lines.Text(), &o.round, &o.variant, &o.steps, &o.dieAt); err != nil {
			return err
		}
		if err := w.play(ctx, o, out); err != nil {
			return fmt.Errorf("round %d: %w", o.round, err)
		}
	}
	return w.seg.Close()
}

func objectName(round int) string { return fmt.Sprintf("object-%d", round) }

func (w *worker) play(ctx context.Context, o order, out io.Writer) error {
	subjects, err := w.kind.open(ctx, w.seg, objectName(o.round), o.variant)
	if err != nil {
		return err
	}
	if _, err := out.Write([]byte{'r'}); err != nil {
		return err
	}
	if _, err := w.starter.Wait(ctx, func(x uint64) bool { return x >= uint64(o.round) }); err != nil {
		return err
	}
	defer disturb(o.dieAt)()
	errs := make([]error, len(w.lanes))
	var wg sync.WaitGroup
	for i, l := range w.lanes {
		l.round = uint32(o.round)
		s := subjects(l)
		wg.Go(func() {
			for range o.steps {
				l.pause()
				if errs[i] = s.step(); errs[i] != nil {
					return
				}
			}
			errs[i] = s.finish()
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	_, err = out.Write([]byte{'d'})
	return err
}
