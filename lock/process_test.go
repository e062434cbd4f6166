package lock_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"testing"

	"github.com/shoal-ipc/shoal/array"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/race"
	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/process"
	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/shm/shmtest"
)

// args is what a child gets: it prints a line when it has got as far as its name
// says.
type args struct {
	Mutexes []*lock.Mutex
}

var (
	// holds locks everything and keeps it.
	holds = process.Func("lock-holds", func(ctx context.Context, a args) error {
		for _, m := range a.Mutexes {
			if err := m.Lock(ctx); err != nil {
				return err
			}
		}
		fmt.Println("held")
		<-ctx.Done()
		return ctx.Err()
	})
	// waits locks everything once more, and unlocks.
	waits = process.Func("lock-waits", func(ctx context.Context, a args) error {
		fmt.Println("waits")
		for _, m := range a.Mutexes {
			if err := m.Do(ctx, func() error { return nil }); err != nil {
				return err
			}
		}
		return nil
	})
	// repairs makes sections until it is stopped, and says how many deaths it repaired.
	repairs = process.Func("lock-repairs", func(ctx context.Context, a args) error {
		m := a.Mutexes[0]
		repaired := 0
		m.Repair = func() error { repaired++; return nil }
		for ctx.Err() == nil {
			err := m.Do(ctx, func() error { return nil })
			if err != nil && !errors.Is(err, context.Canceled) {
				return err
			}
		}
		fmt.Println(repaired)
		return nil
	})
	// inherits locks the mutex, says how many deaths it repaired, and keeps it.
	inherits = process.Func("lock-inherits", func(ctx context.Context, a args) error {
		m := a.Mutexes[0]
		repaired := 0
		m.Repair = func() error { repaired++; return nil }
		if err := m.Lock(ctx); err != nil {
			return err
		}
		fmt.Println(repaired)
		<-ctx.Done()
		return ctx.Err()
	})
	// hammers locks and unlocks until it is killed.
	hammers = process.Func("lock-hammers", func(ctx context.Context, a args) error {
		fmt.Println("begun")
		for ctx.Err() == nil {
			for _, m := range a.Mutexes {
				err := m.Do(ctx, func() error {
					for range 1000 { // most of the time it is inside
						_, _ = m.Holder()
					}
					return nil
				})
				if err != nil && !errors.Is(err, lock.ErrPoisoned) {
					return err
				}
			}
		}
		return nil
	})
)

// start starts f, and returns it with what it prints.
func start[A any](t *testing.T, f *process.Function[A], a A) (*process.Child, *bufio.Reader) {
	t.Helper()
	out, in, err := os.Pipe()
	want(t, "Pipe", err, nil)
	cmd := f.Command(a)
	cmd.Stdout = in
	child, err := cmd.Start(t.Context())
	want(t, "Start", err, nil)
	want(t, "Close", in.Close(), nil)
	t.Cleanup(func() { _ = out.Close() })
	return child, bufio.NewReader(out)
}

func line(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	s, err := r.ReadString('\n')
	want(t, "a line of the child", err, nil)
	return s[:len(s)-1]
}

// TestOwnerIsKilled kills a child that holds three mutexes.
// Conformance: LCK-06, LCK-11, ROM-03, ROM-06.
func TestOwnerIsKilled(t *testing.T) {
	ctx := t.Context()
	seg, second := shmtest.Segment(t, shm.Spec{}), shmtest.Segment(t, shm.Spec{})
	m := create(t, seg, lock.Spec{})
	released, err := lock.CreateMutex(ctx, seg, "released", lock.Spec{OnDeath: lock.Release})
	want(t, "CreateMutex", err, nil)
	elsewhere := create(t, second, lock.Spec{})
	untouched, err := lock.CreateMutex(ctx, seg, "untouched", lock.Spec{})
	want(t, "CreateMutex", err, nil)
	want(t, "Lock", untouched.Lock(ctx), nil)

	child, out := start(t, holds, args{Mutexes: []*lock.Mutex{m, released, elsewhere}})
	line(t, out)
	want(t, "TryLock", m.TryLock(), lock.ErrLocked)
	want(t, "Unlock", m.Unlock(), lock.ErrNotOwner)
	if p, held := m.Holder(); !held || p.PID != child.PID() || !p.Alive {
		t.Errorf("Holder: %+v %v, want pid %d", p, held, child.PID())
	}
	// These wait in this process when it happens.
	poisoned := async(func() error { return m.Lock(ctx) })
	got := async(func() error { return released.Lock(ctx) })
	until(t, "both wait", func() bool { return waiting(t, seg, 2) })
	shmtest.Kill(t, child)
	want(t, "Lock", await(t, "the poisoned one", poisoned), lock.ErrPoisoned)
	want(t, "Lock", await(t, "the released one", got), nil)
	if p, held := m.Holder(); !held || p.PID != child.PID() || p.Alive {
		t.Errorf("Holder after its death: %+v %v, want pid %d", p, held, child.PID())
	}
	want(t, "TryLock", elsewhere.TryLock(), lock.ErrPoisoned)
	want(t, "TryLock", untouched.TryLock(), lock.ErrLocked)
	for _, m := range []*lock.Mutex{m, elsewhere} {
		want(t, "Recover", m.Recover(ctx, func() error { return nil }), nil)
		want(t, "Lock", m.Lock(ctx), nil)
		want(t, "Unlock", m.Unlock(), nil)
	}
	want(t, "Unlock", released.Unlock(), nil)
	want(t, "Unlock", untouched.Unlock(), nil)
}

// TestWaitersOfAllProcesses has several processes wait for one.
// Conformance: LCK-04.
func TestWaitersOfAllProcesses(t *testing.T) {
	seg := shmtest.Segment(t, shm.Spec{})
	m := create(t, seg, lock.Spec{})
	want(t, "Lock", m.Lock(t.Context()), nil)
	const n = 5
	var children []*process.Child
	for range n {
		child, _ := start(t, waits, args{Mutexes: []*lock.Mutex{m}})
		children = append(children, child)
	}
	until(t, "all wait", func() bool { return waiting(t, seg, n) })
	for _, child := range children {
		select {
		case <-child.Done():
			t.Fatalf("%s got in: %v", child.Name(), child.Wait(t.Context()))
		default:
		}
	}
	want(t, "Unlock", m.Unlock(), nil)
	want(t, "Wait", process.Wait(t.Context(), children...), nil)
}

type sumArgs struct {
	Mutex  *lock.Mutex
	Sums   *array.Array[int64]
	Rounds int
}

var adds = process.Func("lock-adds", func(ctx context.Context, a sumArgs) error {
	sums := a.Sums.View()
	for range a.Rounds {
		if err := a.Mutex.Lock(ctx); err != nil {
			return err
		}
		sums[0]++ // plain memory, which nothing but the mutex protects
		sums[1]--
		if err := a.Mutex.Unlock(); err != nil {
			return err
		}
	}
	return nil
})

// TestSumOverProcesses counts in shared memory without atomics.
// Conformance: RTF-04.
func TestSumOverProcesses(t *testing.T) {
	const n = 4
	rounds := 100_000
	if testing.Short() || race.Enabled {
		rounds = 5000
	}
	seg := shmtest.Segment(t, shm.Spec{})
	m := create(t, seg, lock.Spec{})
	sums, err := array.Create[int64](t.Context(), seg, "sums", array.Spec{Len: 2})
	want(t, "array.Create", err, nil)
	var children []*process.Child
	for range n {
		child, err := adds.Start(t.Context(), sumArgs{m, sums, rounds})
		want(t, "Start", err, nil)
		children = append(children, child)
	}
	want(t, "Wait", process.Wait(t.Context(), children...), nil)
	if a, b := sums.At(0), sums.At(1); a != int64(n*rounds) || b != -a {
		t.Errorf("sums %d and %d, want %d", a, b, n*rounds)
	}
}

// TestChainOfDeaths has processes that wait in a row. Each gets in when the one
// before it is killed, repairs what that one left, and is killed itself.
// Conformance: ROM-04.
func TestChainOfDeaths(t *testing.T) {
	for _, onDeath := range []lock.OnDeath{lock.Poison, lock.Release} {
		seg := shmtest.Segment(t, shm.Spec{})
		m := create(t, seg, lock.Spec{OnDeath: onDeath})
		want(t, "Lock", m.Lock(t.Context()), nil)
		row := map[int]*process.Child{}
		said := make(chan string)
		for range 3 {
			child, out := start(t, inherits, args{Mutexes: []*lock.Mutex{m}})
			row[child.PID()] = child
			go func() {
				s, err := out.ReadString('\n')
				said <- fmt.Sprint(child.PID(), " ", s, err)
			}()
		}
		until(t, "all wait", func() bool { return waiting(t, seg, 3) })
		want(t, "Unlock", m.Unlock(), nil)
		for i := range 3 {
			repairs := 0
			if i > 0 && onDeath == lock.Poison {
				repairs = 1
			}
			line := <-said
			owner, _ := m.Holder()
			if w := fmt.Sprintf("%d %d\n<nil>", owner.PID, repairs); line != w || row[owner.PID] == nil {
				t.Fatalf("owner %d: %q, want %q", i, line, w)
			}
			shmtest.Kill(t, row[owner.PID])
			delete(row, owner.PID)
		}
		m.Repair = func() error { return nil }
		want(t, "Lock", m.Lock(t.Context()), nil)
		want(t, "Unlock", m.Unlock(), nil)
	}
}

// TestWaiterIsKilled kills a child that waits, sometimes just when it is woken:
// another one behind it must get in all the same.
func TestWaiterIsKilled(t *testing.T) {
	rounds := 25
	if testing.Short() {
		rounds = 5
	}
	seg := shmtest.Segment(t, shm.Spec{})
	m := create(t, seg, lock.Spec{})
	for i := range rounds {
		want(t, "Lock", m.Lock(t.Context()), nil)
		victim, out := start(t, waits, args{Mutexes: []*lock.Mutex{m}})
		line(t, out)
		until(t, "the victim sleeps", func() bool { return waiting(t, seg, 1) })
		behind := async(func() error { return m.Lock(t.Context()) })
		until(t, "another one waits", func() bool { return waiting(t, seg, 2) })
		if i%2 == 0 {
			want(t, "Kill", victim.Kill(), nil)
			want(t, "Unlock", m.Unlock(), nil)
		} else {
			want(t, "Unlock", m.Unlock(), nil) // wakes the victim
			want(t, "Kill", victim.Kill(), nil)
		}
		err := await(t, "who waits behind it", behind)
		shmtest.Kill(t, victim)
		if errors.Is(err, lock.ErrPoisoned) { // the victim was quick enough to get in
			want(t, "Recover", m.Recover(t.Context(), func() error { return nil }), nil)
			continue
		}
		want(t, "Lock", err, nil)
		want(t, "Unlock", m.Unlock(), nil)
	}
}

// TestKillsAnywhere kills children that hammer two mutexes, while this process
// and others go on. Every death inside is met exactly once.
func TestKillsAnywhere(t *testing.T) {
	kills := 40
	if testing.Short() {
		kills = 8
	}
	seg := shmtest.Segment(t, shm.Spec{})
	m := create(t, seg, lock.Spec{})
	r, err := lock.CreateMutex(t.Context(), seg, "released", lock.Spec{OnDeath: lock.Release})
	want(t, "CreateMutex", err, nil)
	both := args{Mutexes: []*lock.Mutex{m, r}}
	met := 0
	m.Repair = func() error { met++; return nil }
	for range kills {
		victim, out := start(t, hammers, both)
		line(t, out)
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for _, m := range both.Mutexes {
			wg.Go(func() {
				for ctx.Err() == nil {
					if err := m.Do(t.Context(), func() error { return nil }); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		for range rand.N(3000) {
			_, _ = m.Holder()
		}
		shmtest.Kill(t, victim)
		stop()
		wg.Wait()
	}
	want(t, "Lock", m.Lock(t.Context()), nil)
	want(t, "Unlock", m.Unlock(), nil)
	t.Logf("%d of %d died holding the mutex", met, kills)
}

// TestDeathIsReportedOnce has children race for the repair after each of many
// deaths.
// Conformance: ROM-09.
func TestDeathIsReportedOnce(t *testing.T) {
	kills := 100
	if testing.Short() || race.Enabled {
		kills = 5
	}
	m := create(t, shmtest.Segment(t, shm.Spec{}), lock.Spec{})
	var racers []*process.Child
	var outs []*bufio.Reader
	for range 4 {
		child, out := start(t, repairs, args{Mutexes: []*lock.Mutex{m}})
		racers, outs = append(racers, child), append(outs, out)
	}
	total := 0
	m.Repair = func() error { total++; return nil } // this process races too
	for range kills {
		victim, out := start(t, holds, args{Mutexes: []*lock.Mutex{m}})
		line(t, out)
		shmtest.Kill(t, victim)
		want(t, "Do", m.Do(t.Context(), func() error { return nil }), nil)
	}
	for i, child := range racers {
		want(t, "Stop", child.Stop(), nil)
		var n int
		if _, err := fmt.Sscan(line(t, outs[i]), &n); err != nil {
			t.Fatal(err)
		}
		total += n
	}
	want(t, "racers", process.Wait(t.Context(), racers...), nil)
	if total != kills {
		t.Errorf("%d deaths repaired %d times", kills, total)
	}
}

// TestManyShortLived has many processes come, lock and go.
// Conformance: LCK-10.
func TestManyShortLived(t *testing.T) {
	n := 200
	if testing.Short() || race.Enabled { // which makes every process sleep for a second at its end
		n = 5
	}
	seg := shmtest.Segment(t, shm.Spec{})
	m := create(t, seg, lock.Spec{})
	before, err := seg.Stat()
	want(t, "Stat", err, nil)
	for range n {
		child, _ := start(t, waits, args{Mutexes: []*lock.Mutex{m}})
		want(t, "Wait", child.Wait(t.Context()), nil)
		want(t, "AwaitRepair", object.Inside().AwaitRepair(t.Context(), child.PID()), nil)
	}
	after, err := seg.Stat()
	want(t, "Stat", err, nil)
	if after.Size != before.Size || after.Used != before.Used {
		t.Errorf("the segment grew: %+v, %+v", before, after)
	}
	if p, err := seg.Participants(); err != nil || len(p) != 1 {
		t.Errorf("participants %v, %v", p, err)
	}
	want(t, "TryLock", m.TryLock(), nil)
	want(t, "Unlock", m.Unlock(), nil)
}
