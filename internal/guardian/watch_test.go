//go:build linux

package guardian_test

import (
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/guardian"
	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/satomic"
	"github.com/shoal-ipc/shoal/internal/sys"
)

// fake is something to watch.
type fake struct {
	mu      sync.Mutex
	words   []guardian.Word
	looks   chan struct{} // receives at the end of each Look
	before  func()        // what a Look does before it looks
	during  func()        // what it does then
	inside  atomic.Int32
	overlap atomic.Bool
	stopped atomic.Bool // no Words after this
	late    atomic.Bool
}

func newFake(words ...*satomic.Uint32) *fake {
	f := &fake{looks: make(chan struct{}, 1000)}
	for _, w := range words {
		f.words = append(f.words, guardian.Word{Addr: w, Want: w.Load()})
	}
	return f
}

func (f *fake) Words(buf []guardian.Word) []guardian.Word {
	if f.stopped.Load() {
		f.late.Store(true)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return append(buf, f.words...)
}

// Look takes what it sees for what is wanted from now on.
func (f *fake) Look() {
	if f.inside.Add(1) != 1 {
		f.overlap.Store(true)
	}
	if f.before != nil {
		f.before()
	}
	f.mu.Lock()
	for i := range f.words {
		f.words[i].Want = f.words[i].Addr.Load()
	}
	f.mu.Unlock()
	if f.during != nil {
		f.during()
	}
	f.inside.Add(-1)
	f.looks <- struct{}{}
}

// await waits for a Look to end.
func (f *fake) await(t *testing.T) {
	t.Helper()
	select {
	case <-f.looks:
	case <-time.After(watchdog):
		t.Fatal("nobody looks")
	}
}

func change(w *satomic.Uint32) {
	w.Add(1)
	sys.FutexWake(satomic.Ptr(w), 1)
}

// rare is how often a registry audits whose audits a test must not see.
const rare = time.Hour

func TestWatch(t *testing.T) {
	r := guardian.NewRegistry(rare)
	words := make([]satomic.Uint32, 4)
	f := newFake(&words[0], &words[1], &words[2], &words[3])
	stop := r.Watch(f)
	for round := range 100 {
		change(&words[round%4])
		f.await(t)
	}
	stop()
	stop()
	if len(f.looks) != 0 || f.overlap.Load() {
		t.Errorf("%d looks for no reason, at once: %v", len(f.looks), f.overlap.Load())
	}
}

// TestWatchDuringLook changes a word while Look runs, after it has looked.
func TestWatchDuringLook(t *testing.T) {
	r := guardian.NewRegistry(rare)
	var word satomic.Uint32
	f := newFake(&word)
	changes := 0
	f.during = func() {
		if changes++; changes < 20 {
			change(&word)
		}
	}
	defer r.Watch(f)()
	change(&word)
	for range 20 {
		f.await(t)
	}
	if f.overlap.Load() {
		t.Error("two looks at once")
	}
}

// TestWatchOneLook changes words again and again while a Look of theirs runs.
func TestWatchOneLook(t *testing.T) {
	r := guardian.NewRegistry(rare)
	var slow, quick satomic.Uint32
	other := newFake(&quick)
	defer r.Watch(other)()
	f := newFake(&slow)
	f.before = func() {
		for range 20 {
			change(&slow)
			change(&quick)
			<-other.looks
		}
	}
	stop := r.Watch(f)
	change(&slow)
	f.await(t)
	stop()
	if f.overlap.Load() {
		t.Error("two looks at once")
	}
}

// TestWatchMark marks a word that Look cannot do anything about at first: it is
// asked again and again.
func TestWatchMark(t *testing.T) {
	r := guardian.NewRegistry(rare)
	var word satomic.Uint32
	word.Store(guardian.Waiters | 7)
	f := newFake(&word)
	tries := 0
	f.during = func() {
		if tries++; tries == 5 {
			word.Store(0)
		}
	}
	stop := r.Watch(f)
	if !guardian.Mark(&word, guardian.Waiters|7) {
		t.Fatal("not marked")
	}
	for range 6 {
		f.await(t)
	}
	// The word that Look set to 0 itself was one look more; now all is as wanted.
	change(&word)
	f.await(t)
	stop()
	if len(f.looks) != 0 {
		t.Errorf("%d looks for no reason", len(f.looks))
	}
}

func TestWatchAudit(t *testing.T) {
	r := guardian.NewRegistry(10 * time.Millisecond)
	f := newFake()
	defer r.Watch(f)()
	for range 5 {
		f.await(t)
	}
}

// TestWatchMany watches more than one watcher can.
func TestWatchMany(t *testing.T) {
	r := guardian.NewRegistry(rare)
	const n = 2*guardian.WatchedEach + 3
	words := make([]satomic.Uint32, n)
	fakes := make([]*fake, n)
	stops := make([]func(), n)
	for i := range fakes {
		fakes[i] = newFake(&words[i])
		stops[i] = r.Watch(fakes[i])
	}
	if got := r.Watchers(); got != 3 {
		t.Errorf("%d watchers for %d, want 3", got, n)
	}
	for i := range fakes {
		change(&words[i])
		fakes[i].await(t)
	}
	for i := range fakes {
		stops[i]()
	}
	for i := range fakes {
		if len(fakes[i].looks) != 0 {
			t.Errorf("%d: %d looks for no reason", i, len(fakes[i].looks))
		}
	}
	awaitNoWatchers(t, r)
	// It begins again.
	f := newFake(&words[0])
	defer r.Watch(f)()
	change(&words[0])
	f.await(t)
}

func awaitNoWatchers(t *testing.T, r *guardian.Registry) {
	t.Helper()
	var never satomic.Uint32
	for end := time.Now().Add(watchdog); r.Watchers() > 0; {
		if time.Now().After(end) {
			t.Fatalf("%d watchers of nothing", r.Watchers())
		}
		sys.FutexWait(satomic.Ptr(&never), 0, time.Millisecond)
	}
}

// TestWatchTooManyWords has more words than are asked for: the rest is ignored.
func TestWatchTooManyWords(t *testing.T) {
	r := guardian.NewRegistry(rare)
	words := make([]satomic.Uint32, 200)
	f := newFake()
	for i := range words {
		f.words = append(f.words, guardian.Word{Addr: &words[i]})
	}
	stop := r.Watch(f)
	change(&words[3])
	f.await(t)
	stop()
}

// TestWatchStop maps memory, has it watched while it changes, stops and unmaps:
// whoever touches it afterwards is a fault.
func TestWatchStop(t *testing.T) {
	r := guardian.NewRegistry(rare)
	file, err := os.OpenFile(t.TempDir()+"/table", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	if err := sys.Allocate(file, 0, tableSize); err != nil {
		t.Fatal(err)
	}
	// With one processor, and much else to watch and to look at, the watcher is
	// often stopped on its way from collecting the words to the kernel.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	others := make([]satomic.Uint32, 4*(guardian.WatchedEach-1))
	for i := 0; i < len(others); i += 4 {
		defer r.Watch(newFake(&others[i], &others[i+1], &others[i+2], &others[i+3]))()
	}
	for round := range 2000 {
		b, err := sys.MapFile(file, tableSize)
		if err != nil {
			t.Fatal(err)
		}
		tab := table{file: file, words: mem.FromBytes(b)}
		f := newFake(tab.word(1), tab.word(2), tab.word(3))
		stop := r.Watch(f)
		change(&others[round%len(others)])
		if round%4 == 0 {
			change(tab.word(2))
		}
		for range round % 100 {
			runtime.Gosched()
		}
		stop()
		f.stopped.Store(true)
		// A Look may still be inside, as a segment's may: it ends by itself.
		f.mu.Lock()
		f.words = nil
		f.mu.Unlock()
		if err := sys.Unmap(b); err != nil {
			t.Fatal(err)
		}
		runtime.Gosched() // before the next mapping may come to lie there
		if f.late.Load() || f.overlap.Load() {
			t.Fatalf("Words after stop: %v, looks at once: %v", f.late.Load(), f.overlap.Load())
		}
	}
}

// TestWatchStopByLook stops from inside of Look.
func TestWatchStopByLook(t *testing.T) {
	r := guardian.NewRegistry(rare)
	var word satomic.Uint32
	f := newFake(&word)
	ready := make(chan func(), 1)
	f.during = func() { (<-ready)() }
	ready <- r.Watch(f)
	change(&word)
	f.await(t)
	change(&word)
	awaitNoWatchers(t, r)
	if len(f.looks) != 0 {
		t.Error("looked after stop")
	}
}

// TestWatchStorm adds and removes while words change, on all goroutines at once.
func TestWatchStorm(t *testing.T) {
	r := guardian.NewRegistry(20 * time.Millisecond)
	words := make([]satomic.Uint32, 8)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 150 {
				f := newFake(&words[g], &words[(g+i)%8])
				stop := r.Watch(f)
				change(&words[g])
				if i%3 == 0 {
					f.await(t)
				}
				stop()
				f.stopped.Store(true)
				if f.overlap.Load() {
					t.Error("two looks at once")
				}
			}
		})
	}
	wg.Wait()
	awaitNoWatchers(t, r)
}

// TestDeathIsPassedOn has several processes watch one. The kernel wakes one of
// them; all must look.
func TestDeathIsPassedOn(t *testing.T) {
	if !sys.Probe().RobustList {
		t.Skip("no robust lists here: nobody is woken")
	}
	tab := newTable(t, t.TempDir())
	const watchers = 5
	for round := range 5 {
		victim := startHelper(t, nil, "die", tab.file.Name(), "1", "none")
		victim.line(t)
		all := make([]*helper, watchers)
		for i := range all {
			all[i] = startHelper(t, nil, "watch", tab.file.Name(), "1")
			all[i].line(t)
		}
		began := time.Now()
		victim.kill(t)
		for i, h := range all {
			if got := h.line(t); got != "marked" {
				t.Fatalf("watcher %d saw %s", i, got)
			}
		}
		t.Logf("round %d: all saw it after %v", round, time.Since(began))
		tab.word(1).Store(0)
	}
}

// helpWatch watches a slot, never looks by itself, and says what it saw.
func helpWatch(args []string) error {
	f, err := sys.OpenReadWrite(args[0])
	if err != nil {
		return err
	}
	tab, err := openTable(f)
	if err != nil {
		return err
	}
	slot, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	w := newFake(tab.word(slot))
	stop := guardian.NewRegistry(rare).Watch(w)
	say("watching")
	<-w.looks
	if got := tab.word(slot).Load(); guardian.Marked(got) {
		say("marked")
	} else {
		say("%#x", got)
	}
	stop()
	return nil
}
