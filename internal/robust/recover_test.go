package robust_test

import (
	"context"
	"errors"
	"io/fs"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/robust"
)

var errRepair = errors.New("cannot repair")

// poison makes slot die holding the mutex.
func (w *world) poison(slot uint32) {
	w.tb.Helper()
	want(w.tb, "Lock", w.join(slot).Lock(w.tb.Context()), nil)
	w.bury(slot)
}

func nothing() error { return nil }

func TestDeathOfTheOwner(t *testing.T) {
	policies(t, func(t *testing.T, p robust.Policy) {
		w := newWorld(t, p)
		a := w.join(1)
		w.poison(2)
		if p == robust.Release {
			want(t, "Lock", a.Lock(t.Context()), nil)
			want(t, "Unlock", a.Unlock(), nil)
			wantWord(t, w, 0)
			return
		}
		want(t, "Lock", a.Lock(t.Context()), robust.ErrPoisoned)
		want(t, "TryLock", a.TryLock(), robust.ErrPoisoned)
		want(t, "Unlock", a.Unlock(), robust.ErrNotOwner)
		if slot, generation, dead := a.Holder(); slot != 2 || generation != 102 || !dead {
			t.Errorf("Holder: %d %d %v", slot, generation, dead)
		}
		w.check()
		want(t, "Recover", a.Recover(t.Context(), func() error {
			want(t, "Lock in fn", a.TryLock(), robust.ErrPoisoned)
			want(t, "Unlock in fn", a.Unlock(), robust.ErrNotOwner)
			if slot, _, dead := a.Holder(); slot != 1 || dead {
				t.Errorf("Holder in fn: %d %v", slot, dead)
			}
			return nil
		}), nil)
		wantWord(t, w, 0)
		if slot, _ := w.words.Culprit(); slot != 0 {
			t.Errorf("culprit %d after recovery", slot)
		}
		want(t, "Lock", a.Lock(t.Context()), nil)
		want(t, "Unlock", a.Unlock(), nil)
		w.check()
	})
}

func TestRecoverOfAHealthyOne(t *testing.T) {
	w := newWorld(t, robust.Poison)
	a, b := w.join(1), w.join(2)
	never := func() error { t.Error("fn ran"); return nil }
	want(t, "Recover", a.Recover(t.Context(), never), nil)
	want(t, "Lock", a.Lock(t.Context()), nil)
	want(t, "Recover while locked", b.Recover(t.Context(), never), nil)
	want(t, "Unlock", a.Unlock(), nil)
	want(t, "LockRepaired", a.LockRepaired(t.Context(), never), nil)
	want(t, "TryLockRepaired", b.TryLockRepaired(never), robust.ErrLocked)
	want(t, "Unlock", a.Unlock(), nil)
	want(t, "TryLockRepaired", b.TryLockRepaired(never), nil)
	want(t, "Unlock", b.Unlock(), nil)
}

// TestRecoverFails shows that the mutex stays poisoned, with the same culprit,
// however fn ends, and that it is held by nobody.
func TestRecoverFails(t *testing.T) {
	for _, c := range []struct {
		name string
		fn   func() error
	}{
		{"error", func() error { return errRepair }},
		{"panic", func() error { panic(errRepair) }},
		{"Goexit", func() error { runtime.Goexit(); return nil }},
	} {
		for _, way := range []string{"Recover", "LockRepaired", "TryLockRepaired"} {
			t.Run(c.name+"/"+way, func(t *testing.T) {
				w := newWorld(t, robust.Poison)
				a, b := w.join(1), w.join(3)
				w.poison(2)
				ended := make(chan error, 1)
				go func() {
					err := errors.New("ended without returning")
					defer func() {
						if r, ok := recover().(error); ok {
							err = r
						}
						ended <- err
					}()
					switch way {
					case "Recover":
						err = a.Recover(t.Context(), c.fn)
					case "LockRepaired":
						err = a.LockRepaired(t.Context(), c.fn)
					default:
						err = a.TryLockRepaired(c.fn)
					}
				}()
				err := await(t, way, ended)
				if c.name != "Goexit" {
					want(t, way, err, errRepair)
				}
				if c.name == "error" && way != "Recover" {
					want(t, way, err, robust.ErrPoisoned)
				}
				wantWord(t, w, robust.Poisoned)
				if slot, _, dead := a.Holder(); slot != 2 || !dead {
					t.Errorf("Holder: %d %v", slot, dead)
				}
				want(t, "the next one", b.Recover(t.Context(), nothing), nil)
				want(t, "Lock", b.Lock(t.Context()), nil)
				w.check()
			})
		}
	}
}

func TestLockRepaired(t *testing.T) {
	w := newWorld(t, robust.Poison)
	a := w.join(1)
	ran := 0
	for range 5 {
		w.poison(2)
		for range 3 {
			want(t, "LockRepaired", a.LockRepaired(t.Context(), func() error { ran++; return nil }), nil)
			wantWord(t, w, 1)
			want(t, "Unlock", a.Unlock(), nil)
			want(t, "TryLockRepaired", a.TryLockRepaired(func() error { ran++; return nil }), nil)
			want(t, "Unlock", a.Unlock(), nil)
		}
	}
	if ran != 5 {
		t.Errorf("repaired %d times for 5 deaths", ran)
	}
}

// TestOneRepairs has many parties and goroutines meet one death.
func TestOneRepairs(t *testing.T) {
	for range 30 {
		w := newWorld(t, robust.Poison)
		w.poison(9)
		var ran, inside atomic.Int32
		fn := func() error {
			if inside.Add(1) != 1 {
				t.Error("two repair at once")
			}
			ran.Add(1)
			runtime.Gosched()
			inside.Add(-1)
			return nil
		}
		var wg sync.WaitGroup
		for slot := range uint32(4) {
			a := w.join(slot + 1)
			wg.Go(func() {
				if err := a.Recover(t.Context(), fn); err != nil {
					t.Error(err)
				}
				if ran.Load() == 0 {
					t.Error("returned before the repair")
				}
			})
			for range 2 {
				wg.Go(func() {
					if err := a.LockRepaired(t.Context(), fn); err != nil {
						t.Error(err)
						return
					}
					if inside.Add(1) != 1 {
						t.Error("locked while another one is inside")
					}
					inside.Add(-1)
					if err := a.Unlock(); err != nil {
						t.Error(err)
					}
				})
			}
		}
		wg.Wait()
		if ran.Load() != 1 {
			t.Fatalf("repaired %d times", ran.Load())
		}
		w.check()
	}
}

// TestRepairWaitsForExit shows that fn runs only when the dead one is gone
// wholly, and that giving up before that leaves the mutex poisoned.
func TestRepairWaitsForExit(t *testing.T) {
	w := newWorld(t, robust.Poison)
	w.peers.stalls = true
	a, b := w.join(1), w.join(3)
	w.poison(2)
	never := func() error { t.Error("fn ran"); return nil }

	ctx, cancel := context.WithCancel(t.Context())
	got := async(func() error { return a.Recover(ctx, never) })
	until(t, "Recover waits", func() bool { return w.peers.waits(2) == 1 })
	want(t, "TryLockRepaired beside it", b.TryLockRepaired(never), robust.ErrLocked)
	cancel()
	want(t, "Recover", await(t, "Recover", got), context.Canceled)
	wantWord(t, w, robust.Poisoned)
	want(t, "TryLockRepaired", b.TryLockRepaired(never), robust.ErrLocked)
	wantWord(t, w, robust.Poisoned)

	// A waiting one dies: its successor waits for the same culprit, not for it.
	asked := w.peers.waits(2)
	_ = async(func() error { return a.LockRepaired(t.Context(), never) })
	until(t, "LockRepaired waits", func() bool { return w.peers.waits(2) == asked+1 })
	a.kill()
	w.bury(1)
	if slot, _ := w.words.Culprit(); slot != 2 {
		t.Fatalf("culprit %d, want the first one", slot)
	}
	// Closing ends the wait.
	got = async(func() error { return b.Recover(t.Context(), never) })
	until(t, "b waits", func() bool { return w.words.Word()&7 == 3 })
	w.close(b)
	want(t, "Recover", await(t, "Recover", got), fs.ErrClosed)

	c := w.join(4)
	ran := false
	got = async(func() error { return c.LockRepaired(t.Context(), func() error { ran = true; return nil }) })
	w.peers.release(2)
	want(t, "LockRepaired", await(t, "LockRepaired", got), nil)
	if !ran {
		t.Error("not repaired")
	}
}

// TestDeathInRepair shows that who dies in fn is the new culprit.
func TestDeathInRepair(t *testing.T) {
	w := newWorld(t, robust.Poison)
	a, b := w.join(1), w.join(3)
	w.poison(2)
	in := make(chan struct{})
	go func() { _ = a.Recover(t.Context(), func() error { close(in); select {} }) }()
	<-in
	waiting := async(func() error { return b.LockRepaired(t.Context(), nothing) })
	until(t, "b sleeps", b.asleep)
	w.peers.stalls = true
	w.bury(1)
	until(t, "b asks for 1", func() bool { return w.peers.waits(1) == 1 })
	w.peers.release(1)
	want(t, "LockRepaired", await(t, "LockRepaired", waiting), nil)
	want(t, "Unlock", b.Unlock(), nil)
	w.check()
}

// TestCloseInRepair closes the segment while fn runs.
func TestCloseInRepair(t *testing.T) {
	for _, way := range []string{"Recover", "LockRepaired"} {
		w := newWorld(t, robust.Poison)
		a, b := w.join(1), w.join(3)
		w.poison(2)
		fn := func() error {
			w.close(a)
			wantWord(t, w, robust.Poisoned)
			return nil
		}
		f := a.Recover
		if way == "LockRepaired" {
			f = a.LockRepaired
		}
		want(t, way, f(t.Context(), fn), fs.ErrClosed)
		wantWord(t, w, robust.Poisoned)
		if slot, _ := w.words.Culprit(); slot != 2 {
			t.Errorf("culprit %d, want the one that died", slot)
		}
		w.peers.exit(1)
		want(t, "Recover", b.Recover(t.Context(), nothing), nil)
		want(t, "Lock", b.Lock(t.Context()), nil)
		w.check()
	}
}

func TestWaitersMeetPoison(t *testing.T) {
	w := newWorld(t, robust.Poison)
	a, b := w.join(1), w.join(2)
	want(t, "Lock", a.Lock(t.Context()), nil)
	plain := async(func() error { return b.Lock(t.Context()) })
	until(t, "sleeps", b.asleep)
	c := w.join(3)
	repairing := async(func() error {
		return c.LockRepaired(t.Context(), func() error { // not before the other one has met the poison
			want(t, "Lock", await(t, "Lock", plain), robust.ErrPoisoned)
			return nil
		})
	})
	until(t, "sleeps", c.asleep)
	w.bury(1)
	want(t, "LockRepaired", await(t, "LockRepaired", repairing), nil)
}

// TestRepair looks at the words before and after a death.
func TestRepair(t *testing.T) {
	const other = 3
	for _, c := range []struct {
		name            string
		policy          robust.Policy
		before, after   uint32
		culprit, blamed uint64
	}{
		{"free", robust.Poison, 0, 0, 0, 0},
		{"another's", robust.Poison, other, other, 0, 0},
		{"another's, starving", robust.Poison, other | robust.Starving | robust.Sleepers, other | robust.Sleepers, 0, 0},
		{"free, starving", robust.Release, robust.Starving, 0, 0, 0},
		{"its own", robust.Poison, 2 | robust.Sleepers | robust.Starving, robust.Poisoned, 0, 102<<32 | 2},
		{"its own, an older culprit", robust.Poison, 2, robust.Poisoned, 77, 102<<32 | 2},
		{"its own, released", robust.Release, 2 | robust.Sleepers, 0, 0, 0},
		{"poisoned", robust.Poison, robust.Poisoned, robust.Poisoned, 104<<32 | 4, 104<<32 | 4},
		{"its repair not begun", robust.Poison, 2 | robust.Poisoned, robust.Poisoned, 104<<32 | 4, 104<<32 | 4},
		{"its repair begun", robust.Poison, 2 | robust.Poisoned, robust.Poisoned, 102<<32 | 2, 102<<32 | 2},
		{"its repair ended", robust.Poison, 2 | robust.Poisoned, robust.Poisoned, 0, 102<<32 | 2},
		{"another's repair", robust.Poison, other | robust.Poisoned, other | robust.Poisoned, 104<<32 | 4, 104<<32 | 4},
	} {
		w := newWorld(t, c.policy)
		w.words.Scribble(c.before, 1, c.culprit)
		for range 2 { // the second time changes nothing
			w.bury(2)
			slot, generation := w.words.Culprit()
			if got := uint64(generation)<<32 | uint64(slot); w.words.Word() != c.after || got != c.blamed {
				t.Errorf("%s: word %#x culprit %#x, want %#x %#x", c.name, w.words.Word(), got, c.after, c.blamed)
			}
		}
	}
}

// TestHostileWords has every operation meet words that no correct process writes.
func TestHostileWords(t *testing.T) {
	policies(t, func(t *testing.T, p robust.Policy) {
		ctx, cancel := context.WithTimeout(t.Context(), watchdog)
		defer cancel()
		for _, x := range []uint32{1 << 12, 1 << 28, slots + 1, 4095, 1<<12 | 1, ^uint32(0), robust.Sleepers | 1<<20} {
			for _, culprit := range []uint64{0, 4096, slots + 1, ^uint64(0)} {
				w := newWorld(t, p)
				a := w.join(1)
				ops := map[string]func() error{
					"Lock":            func() error { return a.Lock(ctx) },
					"TryLock":         a.TryLock,
					"Recover":         func() error { return a.Recover(ctx, nothing) },
					"LockRepaired":    func() error { return a.LockRepaired(ctx, nothing) },
					"TryLockRepaired": func() error { return a.TryLockRepaired(nothing) },
				}
				for name, op := range ops {
					w.words.Scribble(x, 7, culprit)
					var c *mem.Corruption
					if err := op(); !errors.As(err, &c) {
						t.Errorf("%s of %#x: %v, want a *mem.Corruption", name, x, err)
					} else if c.Offset != 0 || c.Field != "mutex.w" {
						t.Errorf("%s of %#x: %v", name, x, c)
					}
				}
				a.Holder()
				_ = a.Unlock()
				w.words.Scribble(x, 7, culprit)
				if errs := robust.Check(w.words, p, 0, func(s uint32) bool { return s <= slots }); len(errs) == 0 {
					t.Errorf("Check of %#x finds nothing", x)
				}
				w.bury(2)
				w.close(a)
				_ = robust.State(w.words)
			}
		}
	})
}

func TestHostileCulprit(t *testing.T) {
	for _, culprit := range []uint64{slots + 1, 1 << 31, ^uint64(0)} {
		w := newWorld(t, robust.Poison)
		a := w.join(1)
		w.words.Scribble(robust.Poisoned, 1, culprit)
		var c *mem.Corruption
		if err := a.Recover(t.Context(), nothing); !errors.As(err, &c) || c.Field != "mutex.culprit" || c.Offset != 8 {
			t.Errorf("Recover: %v", err)
		}
		wantWord(t, w, robust.Poisoned)
	}
}

func TestCheckAndHolds(t *testing.T) {
	w := newWorld(t, robust.Poison)
	dead := func(uint32) bool { return false }
	if errs := robust.Check(w.words, w.policy, 64, dead); len(errs) != 0 {
		t.Errorf("at rest: %v", errs)
	}
	robust.Holds(w.words, func(object.Hold) bool { t.Error("held at rest"); return true })
	a := w.join(1)
	want(t, "Lock", a.Lock(t.Context()), nil)
	errs := robust.Check(w.words, w.policy, 64, dead)
	var c *mem.Corruption
	if len(errs) != 1 || !errors.As(errs[0], &c) || c.Offset != 64 {
		t.Errorf("held by nobody: %v", errs)
	}
	held := 0
	robust.Holds(w.words, func(h object.Hold) bool {
		held++
		if h.Slot != 1 || h.Count != 1 || h.What != "lock" {
			t.Errorf("hold %+v", h)
		}
		return true
	})
	if held != 1 {
		t.Errorf("%d holds", held)
	}
	if s := robust.State(w.words); s != "locked by 1" {
		t.Errorf("State: %q", s)
	}
	w.bury(1)
	if s := robust.State(w.words); s != "poisoned" {
		t.Errorf("State: %q", s)
	}
	want(t, "Recover", w.join(2).Recover(t.Context(), func() error {
		if s := robust.State(w.words); s != "being repaired by 2" {
			t.Errorf("State: %q", s)
		}
		return nil
	}), nil)
}
