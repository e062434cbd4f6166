//go:build linux

package namespaces

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"testing"

	"github.com/shoal-ipc/shoal/array"
	"github.com/shoal-ipc/shoal/internal/sys"
	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/process"
	"github.com/shoal-ipc/shoal/queue"
	"github.com/shoal-ipc/shoal/semaphore"
	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/shm/shmtest"
)

// site is what the participants share: each of two has a lock of his own.
type site struct {
	seg     *shm.Segment
	locks   [2]*lock.Mutex
	permits *semaphore.Semaphore
	jobs    *queue.Queue[int64]
	numbers *array.Atomic[int64] // the process ids of both, as they see them
	jobOf   *array.Atomic[int64] // what each has been given to do
	met     *array.Atomic[int64] // set by who got the other one's lock
	visits  *array.Atomic[int64] // how many visitors have come
}

const permits = 5

func build(t *testing.T, dir string) *site {
	t.Helper()
	ctx := t.Context()
	seg := made[*shm.Segment](t)(shm.Create(ctx, "shared", shm.Spec{Lifetime: shm.Persistent}, &shm.Options{Dir: dir}))
	for i := range 2 {
		made[*lock.Mutex](t)(lock.CreateMutex(ctx, seg, fmt.Sprint("lock-", i), lock.Spec{OnDeath: lock.Release}))
	}
	made[*semaphore.Semaphore](t)(semaphore.Create(ctx, seg, "permits", semaphore.Spec{Permits: permits}))
	made[*queue.Queue[int64]](t)(queue.Create[int64](ctx, seg, "jobs", queue.Spec{Cap: 8}))
	for _, name := range []string{"numbers", "job-of", "met", "visits"} {
		made[*array.Atomic[int64]](t)(array.CreateAtomic[int64](ctx, seg, name, array.Spec{Len: 2}))
	}
	return made[*site](t)(open(ctx, seg))
}

func open(ctx context.Context, seg *shm.Segment) (*site, error) {
	s := &site{seg: seg}
	var errs [8]error
	s.locks[0], errs[0] = lock.OpenMutex(ctx, seg, "lock-0")
	s.locks[1], errs[1] = lock.OpenMutex(ctx, seg, "lock-1")
	s.permits, errs[2] = semaphore.Open(ctx, seg, "permits")
	s.jobs, errs[3] = queue.Open[int64](ctx, seg, "jobs")
	s.numbers, errs[4] = array.OpenAtomic[int64](ctx, seg, "numbers")
	s.jobOf, errs[5] = array.OpenAtomic[int64](ctx, seg, "job-of")
	s.met, errs[6] = array.OpenAtomic[int64](ctx, seg, "met")
	s.visits, errs[7] = array.OpenAtomic[int64](ctx, seg, "visits")
	return s, errors.Join(errs[:]...)
}

func openIn(ctx context.Context, dir string) (*site, error) {
	seg, err := shm.Open(ctx, "shared", &shm.Options{Dir: dir})
	if err != nil {
		return nil, err
	}
	return open(ctx, seg)
}

type args struct {
	Dir  string
	Seat int
}

// holds holds one thing of everything, and then waits for the lock of the other.
var holds = process.Func("namespaces-holds", func(ctx context.Context, a args) error {
	s, err := openIn(ctx, a.Dir)
	if err != nil {
		return err
	}
	if err := errors.Join(s.locks[a.Seat].Lock(ctx), s.permits.Acquire(ctx, 1+a.Seat)); err != nil {
		return err
	}
	job, err := s.jobs.Receive(ctx)
	if err != nil {
		return err
	}
	if _, err := s.jobs.Reserve(ctx); err != nil {
		return err
	}
	s.jobOf.Store(a.Seat, *job.Value())
	s.numbers.Store(a.Seat, int64(os.Getpid()))
	for s.numbers.Load(1-a.Seat) == 0 && ctx.Err() == nil {
		runtime.Gosched() // the other one takes its own lock first
	}
	if err := s.locks[1-a.Seat].Lock(ctx); err != nil {
		return err
	}
	s.met.Store(a.Seat, 1)
	<-ctx.Done()
	return nil
})

// visit takes what is left of the permits and waits to be killed.
var visit = process.Func("namespaces-visit", func(ctx context.Context, a args) error {
	s, err := openIn(ctx, a.Dir)
	if err != nil {
		return err
	}
	if err := s.permits.Acquire(ctx, 3); err != nil {
		return err
	}
	s.numbers.Store(a.Seat, int64(os.Getpid()))
	s.visits.Add(a.Seat, 1)
	<-ctx.Done()
	return nil
})

// without are the mechanisms of the kernel that the children do without. Without
// robust lists, the words of all first processes of a namespace are the same.
var without = []string{"", "robustlist", "membarrier", "robustlist,membarrier,futexwaitv"}

func start(t *testing.T, f *process.Function[args], a args, without string) *process.Child {
	t.Helper()
	cmd := f.Command(a)
	cmd.SysProcAttr = ownNumbers(t)
	cmd.Env = append(os.Environ(), sys.DisableVariable+"="+without)
	return made[*process.Child](t)(cmd.Start(t.Context()))
}

// TestSamePID has two participants with one process id. One dies holding things,
// while nobody else is there: the other repairs that, and nothing of its own.
// Conformance: ROM-07.
func TestSamePID(t *testing.T) {
	for _, disabled := range without {
		t.Run("without "+disabled, func(t *testing.T) { samePID(t, disabled) })
	}
}

func samePID(t *testing.T, disabled string) {
	t.Helper()
	dir := t.TempDir()
	s := build(t, dir)
	for i := range 2 {
		must(t, s.jobs.Put(t.Context(), int64(100+i)))
	}
	must(t, s.seg.Close())
	dies, lives := start(t, holds, args{dir, 0}, disabled), start(t, holds, args{dir, 1}, disabled)

	// From here on the test only looks: it is no participant.
	looker := made[*shm.Segment](t)(shm.Open(t.Context(), "shared", &shm.Options{Dir: dir, ReadOnly: true}))
	defer func() { must(t, looker.Close()) }()
	s = made[*site](t)(open(t.Context(), looker))
	await(t, "both hold everything", func() bool { return s.numbers.Load(0) != 0 && s.numbers.Load(1) != 0 })
	if a, b := s.numbers.Load(0), s.numbers.Load(1); a != 1 || b != 1 {
		t.Fatalf("the processes are %d and %d in their namespaces, want 1 and 1", a, b)
	}
	wantAlive(t, s, 2)
	must(t, dies.Kill())
	await(t, "the other one gets the lock of the dead one", func() bool { return s.met.Load(1) == 1 })
	await(t, "the dead one is gone", func() bool { return len(made[[]shm.Participant](t)(looker.Participants())) == 1 })
	survivor := wantAlive(t, s, 1)
	wantHolds(t, s, survivor)
	wantRest(t, dir, s.jobOf.Load(0), survivor, disabled)
	select {
	case <-lives.Done():
		t.Fatalf("the other one has ended: %v", lives.Wait(t.Context()))
	default:
	}
	wantAlive(t, s, 1)
	wantHolds(t, s, survivor)
	must(t, looker.Check())
	must(t, lives.Kill())
	<-lives.Done()
}

// wantAlive checks that there are so many participants, all alive and of one
// process id, and returns the slot of the last one.
func wantAlive(t *testing.T, s *site, n int) int {
	t.Helper()
	list := made[[]shm.Participant](t)(s.seg.Participants())
	slots := map[int]bool{}
	for _, p := range list {
		slots[p.Slot] = p.PID == 1 && p.Alive
		if !slots[p.Slot] {
			t.Errorf("a participant is %+v", p)
		}
	}
	if len(list) != n || len(slots) != n {
		t.Fatalf("%d participants, want %d: %+v", len(list), n, list)
	}
	return list[n-1].Slot
}

// wantHolds checks that the survivor, in that slot, has what it took and nobody
// anything else.
func wantHolds(t *testing.T, s *site, slot int) {
	t.Helper()
	want := map[string]int{"lock lock-0": 1, "lock lock-1": 1, "permit permits": 2, "delivery jobs": 1, "loan jobs": 1}
	for _, h := range made[[]shm.Hold](t)(s.seg.Holds()) {
		key := h.Kind + " " + h.Object
		if h.Participant.Slot != slot || h.Waiting || h.Count != want[key] {
			t.Errorf("unexpected: %+v", h)
		}
		delete(want, key)
	}
	if len(want) != 0 {
		t.Errorf("no longer held: %v", want)
	}
	if n := s.permits.Available(); n != permits-2 {
		t.Errorf("%d permits are free, want %d", n, permits-2)
	}
}

// wantRest checks, as one more participant, that the dead one's job comes again
// and the other's does not; and that visitors, who get the slot and bear the
// number of the dead one before them, die one at a time.
func wantRest(t *testing.T, dir string, job int64, survivor int, disabled string) {
	t.Helper()
	s := made[*site](t)(openIn(t.Context(), dir))
	defer func() { must(t, s.seg.Close()) }()
	d, err := s.jobs.TryReceive()
	must(t, err)
	if got, attempt := *d.Value(), d.Attempt(); got != job || attempt != 2 {
		t.Errorf("job %d comes for time %d, want job %d for time 2", got, attempt, job)
	}
	must(t, d.Ack())
	if _, err := s.jobs.TryReceive(); !errors.Is(err, queue.ErrEmpty) {
		t.Errorf("one more job: %v", err)
	}
	const visitors = 5
	for i := range int64(visitors) {
		c := start(t, visit, args{dir, 0}, disabled)
		await(t, "a visitor has come", func() bool { return s.visits.Load(0) == i+1 })
		if n := s.permits.Available(); n != 0 || s.numbers.Load(0) != 1 {
			t.Errorf("with a visitor, process %d, %d permits are free", s.numbers.Load(0), n)
		}
		shmtest.Kill(t, c)
		// Kill cannot know a process of another namespace by its number, and one
		// that somebody looks at in /proc keeps its memory for longer than itself.
		await(t, "what a visitor held comes back", func() bool { return s.permits.Available() == 3 })
	}
	// The permits of a dead one come back before its slot is free and its death told.
	await(t, "all deaths are told", func() bool { return made[shm.Stat](t)(s.seg.Stat()).Deaths >= 1+visitors })
	if n := made[shm.Stat](t)(s.seg.Stat()).Deaths; n != 1+visitors {
		t.Errorf("%d deaths, want %d", n, 1+visitors)
	}
	for _, p := range made[[]shm.Participant](t)(s.seg.Participants()) {
		if !p.Alive {
			t.Errorf("dead: %+v, the survivor has slot %d", p, survivor)
		}
	}
}
