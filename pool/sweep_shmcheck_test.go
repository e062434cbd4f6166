//go:build linux && shmcheck

package pool_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/proof"
	"github.com/shoal-ipc/shoal/internal/satomic"
	"github.com/shoal-ipc/shoal/pool"
	"github.com/shoal-ipc/shoal/process"
)

// sweepVariable tells a worker that it may have to die: the file of the ballot, the
// step at which it does, and the process id of whose workers are meant.
const sweepVariable = "POOL_TEST_SWEEP"

// ballot is a page that the processes of one attempt share.
type ballot struct {
	killed atomic.Uint32 // 1 once a process has been chosen
	steps  atomic.Uint32 // the most that a process has done
}

func openBallot(name string) (*ballot, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := f.Truncate(4096); err != nil {
		return nil, err
	}
	b, err := syscall.Mmap(int(f.Fd()), 0, 4096, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	return mem.At[ballot](mem.FromBytes(b), 0)
}

// dieAt has this process die at its n-th step, if no other one has: at none if n is 0.
func (b *ballot) dieAt(n int) {
	var steps atomic.Uint32
	satomic.SetHook(func() {
		now := steps.Add(1)
		for most := b.steps.Load(); now > most && !b.steps.CompareAndSwap(most, now); most = b.steps.Load() {
		}
		if int(now) == n && b.killed.CompareAndSwap(0, 1) {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	})
}

// A worker counts from its beginning on, so this comes before TestMain.
var _ = arm()

func arm() bool {
	var name string
	var n, parent int
	if _, err := fmt.Sscan(os.Getenv(sweepVariable), &n, &parent, &name); err != nil || parent != os.Getppid() {
		return false
	}
	b, err := openBallot(name)
	if err != nil {
		panic(err)
	}
	b.dieAt(n)
	return true
}

// sweptUse is something that is done with a pool.
type sweptUse struct {
	name string
	// do fails if what comes is wrong. mayDie: one task may fail with its worker.
	do func(ctx context.Context, p *pool.Pool, mayDie bool) error
}

// excused returns err, unless it is that a worker has died, and that may be.
func excused(err error, mayDie bool) error {
	if mayDie && errors.As(err, new(*pool.WorkerDiedError)) {
		return nil
	}
	return err
}

func sweptUses() []sweptUse {
	return []sweptUse{
		{"Call", func(ctx context.Context, p *pool.Pool, mayDie bool) error {
			died := false
			for n := range 6 {
				x, err := square.Call(ctx, p, n)
				switch {
				case err != nil && died:
					return fmt.Errorf("a second task failed for one death: %w", err)
				case err != nil:
					died = true
					if err := excused(err, mayDie); err != nil {
						return err
					}
				case x != n*n:
					return fmt.Errorf("the square of %d is %d", n, x)
				}
			}
			return nil
		}},
		{"Map", func(ctx context.Context, p *pool.Pool, mayDie bool) error {
			out, err := square.Map(ctx, p, numbers(60))
			for n, x := range out {
				if x != n*n && (err == nil || x != 0) {
					return fmt.Errorf("the square of %d is %d: %w", n, x, err)
				}
			}
			if err == nil && len(out) != 60 {
				return fmt.Errorf("%d results of 60", len(out))
			}
			return excused(err, mayDie)
		}},
		{"Stream", func(ctx context.Context, p *pool.Pool, mayDie bool) error {
			n, died := 0, 0
			for x, err := range square.Stream(ctx, p, count(40)) {
				if err != nil {
					died++
				}
				if err := excused(err, mayDie); err != nil {
					return err
				}
				if err == nil && x != n*n {
					return fmt.Errorf("the square of %d is %d", n, x)
				}
				n++
			}
			if n != 40 || died > 1 {
				return fmt.Errorf("%d results of 40, of which %d died", n, died)
			}
			return nil
		}},
		{"Call, long", func(ctx context.Context, p *pool.Pool, mayDie bool) error {
			long := []byte(strings.Repeat("x", 200_000))
			out, err := repeat.Call(ctx, p, repetition{Text: long, Times: 2})
			if err == nil && len(out) != 2*len(long) {
				return fmt.Errorf("%d bytes", len(out))
			}
			return excused(err, mayDie)
		}},
	}
}

// TestProofKillSweepOfWorkers kills a worker at its n-th step, from its beginning
// on: every task ends once, in its result or, without retries, for one task in a
// *WorkerDiedError; and the pool works on, with as many workers, and closes.
func TestProofKillSweepOfWorkers(t *testing.T) {
	points := 0
	for i, use := range sweptUses() {
		t.Run(use.name, func(t *testing.T) {
			opts := &pool.Options{Workers: 2, Retries: 1 << 20 * (i % 2)}
			points += sweepPool(t, func(t *testing.T, n int) *ballot {
				name := filepath.Join(t.TempDir(), "ballot")
				t.Setenv(sweepVariable, fmt.Sprint(n, os.Getpid(), name))
				b, err := openBallot(name)
				if err != nil {
					t.Fatal(err)
				}
				usePool(t, use, opts)
				return b
			})
		})
	}
	proof.Report(t, proof.KillSweep, proof.Count{N: points, Unit: "kills of processes of a pool"})
}

// sweepPool calls try with 0 and learns how many steps there are, and then with
// some or many of them; it returns how many of these led to a death.
func sweepPool(t *testing.T, try func(t *testing.T, n int) *ballot) (deaths int) {
	t.Helper()
	total := int(try(t, 0).steps.Load())
	points := 5
	if proof.Full() {
		points = 120
	}
	for k := range points {
		// Most steps are those of a worker that looks for work, and are never the same:
		// the earlier ones count for more, and the first ones come to pass each time.
		f := (float64(k) + 0.5) / float64(points)
		n := 1 + int(f*f*f*float64(total))
		ok := t.Run(strconv.Itoa(n), func(t *testing.T) {
			deaths += int(try(t, n).killed.Load())
		})
		if !ok {
			break
		}
	}
	if deaths == 0 {
		t.Errorf("nobody died in %d steps", total)
	}
	return deaths
}

// usePool uses a pool of which a worker dies.
func usePool(t *testing.T, use sweptUse, opts *pool.Options) {
	t.Helper()
	ctx := deadline(t)
	p, err := pool.New(ctx, opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := use.do(ctx, p, opts.Retries == 0); err != nil {
		t.Error(err)
	}
	// Who dies only now takes nothing away but this.
	if x, err := square.Call(ctx, p, 9); excused(err, opts.Retries == 0) != nil || err == nil && x != 81 {
		t.Errorf("the next call: %d, %v", x, err)
	}
	waitUntil(t, func() bool { return len(p.Workers()) == opts.Workers })
	if err := p.Segment().Check(); err != nil {
		t.Error(err)
	}
	workers := p.Workers()
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	for _, c := range workers {
		if runs(c.PID()) {
			t.Errorf("the worker %d runs after Close", c.PID())
		}
	}
}

// sweptParent makes pools, uses them, and dies at its n-th step.
var sweptParent = process.Func("pool sweep parent", func(ctx context.Context, a sweptArgs) error {
	b, err := openBallot(a.Ballot)
	if err != nil {
		return err
	}
	b.dieAt(a.Kill)
	p, err := pool.New(ctx, &pool.Options{Workers: 2, Grace: 100 * time.Millisecond})
	if err != nil {
		return err
	}
	for _, use := range sweptUses() {
		if err := use.do(ctx, p, false); err != nil {
			return errors.Join(err, p.Close())
		}
	}
	return p.Close()
})

type sweptArgs struct {
	Ballot string
	Kill   int
}

// TestProofKillSweepOfParents kills the process that has a pool at its n-th step:
// none of its workers is left.
func TestProofKillSweepOfParents(t *testing.T) {
	points := sweepPool(t, func(t *testing.T, n int) *ballot {
		name := filepath.Join(t.TempDir(), "ballot")
		b, err := openBallot(name)
		if err != nil {
			t.Fatal(err)
		}
		mark := "POOL_TEST_FAMILY=" + name
		cmd := sweptParent.Command(sweptArgs{Ballot: name, Kill: n})
		cmd.Env = append(os.Environ(), mark)
		cmd.Stderr = os.Stderr
		err = cmd.Run(deadline(t))
		var exit *process.ExitError
		if died := errors.As(err, &exit) && exit.Signal == syscall.SIGKILL; err != nil && !died || died != (b.killed.Load() == 1) {
			t.Errorf("the parent: %v", err)
		}
		waitUntil(t, func() bool { return len(family(t, mark)) == 0 })
		return b
	})
	proof.Report(t, proof.KillSweep, proof.Count{N: points, Unit: "kills of processes of a pool"})
}

// family returns the processes in whose environment mark is.
func family(t *testing.T, mark string) (pids []string) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range all {
		text, err := os.ReadFile(name)
		if err == nil && slices.Contains(strings.Split(string(text), "\x00"), mark) {
			pids = append(pids, name)
		}
	}
	return pids
}

// TestSweepFindsStrays has a process of a family be seen, until it ends.
func TestSweepFindsStrays(t *testing.T) {
	mark := "POOL_TEST_FAMILY=" + t.TempDir()
	cmd := exec.CommandContext(deadline(t), "sleep", "1000")
	cmd.Env = append(os.Environ(), mark)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitUntil(t, func() bool { return len(family(t, mark)) == 1 })
	_ = cmd.Process.Kill()
	_ = cmd.Wait() // killed
	if left := family(t, mark); len(left) != 0 {
		t.Errorf("%v are left", left)
	}
}

// TestSweepFindsLosses has tasks that die with their worker be found where none may.
func TestSweepFindsLosses(t *testing.T) {
	ctx := deadline(t)
	lossy := sweptUse{"lossy", func(ctx context.Context, p *pool.Pool, mayDie bool) error {
		_, err := behave.Call(ctx, p, "kill")
		return excused(err, mayDie)
	}}
	p := mustNew(t, &pool.Options{Workers: 1})
	if err := lossy.do(ctx, p, true); err != nil {
		t.Errorf("an excused death: %v", err)
	}
	if err := lossy.do(ctx, p, false); err == nil {
		t.Error("a task that died is not found")
	}
}
