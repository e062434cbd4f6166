package sys_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/sys"
	"golang.org/x/sys/unix"
)

func TestFutexWait(t *testing.T) {
	var word uint32
	if !sys.FutexWait(&word, 1, time.Minute) {
		t.Error("a word that differs counts as a timeout")
	}
	for _, limit := range []time.Duration{-time.Second, 0, time.Millisecond} {
		if sys.FutexWait(&word, 0, limit) {
			t.Errorf("nobody woke, but FutexWait(%v) says so", limit)
		}
	}
}

func TestFutexWake(t *testing.T) {
	var word uint32
	if n := sys.FutexWake(&word, 1); n != 0 {
		t.Errorf("woke %d of nobody", n)
	}
	done := make(chan bool)
	go func() {
		// A signal of the Go scheduler may end a wait as well.
		for sys.FutexWait(&word, 0, time.Minute) {
			if atomic.LoadUint32(&word) == 1 {
				done <- true
				return
			}
		}
		done <- false
	}()
	wakeOne(t, func() int { return sys.FutexWake(&word, 1) })
	atomic.StoreUint32(&word, 1)
	sys.FutexWake(&word, 1)
	if !<-done {
		t.Error("woken, but FutexWait says that the time is over")
	}
}

// wakeOne calls wake until the sleeper has gone to sleep and is woken.
func wakeOne(t *testing.T, wake func() int) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); {
		if n := wake(); n == 1 {
			return
		} else if n > 1 {
			t.Fatalf("woke %d of one", n)
		}
	}
	t.Fatal("nobody sleeps")
}

func needWaitv(t *testing.T) {
	t.Helper()
	if !sys.Probe().FutexWaitv {
		t.Skip("no futex_waitv here")
	}
}

func TestFutexWaitvMissing(t *testing.T) {
	if sys.Probe().FutexWaitv {
		t.Skip("futex_waitv is here")
	}
	var word uint32
	if i, err := sys.FutexWaitv([]sys.FutexWaiter{{Word: &word}}, time.Minute); i != -1 || !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("got %d, %v; want -1, errors.ErrUnsupported", i, err)
	}
}

func TestFutexWaitvAtOnce(t *testing.T) {
	needWaitv(t)
	words := make([]uint32, sys.MaxWaiters+1)
	waiters := func(n, differing int) []sys.FutexWaiter {
		ws := make([]sys.FutexWaiter, n)
		for i := range ws {
			ws[i].Word = &words[i]
		}
		if differing >= 0 {
			ws[differing].Want = 1
		}
		return ws
	}
	cases := []struct {
		name  string
		ws    []sys.FutexWaiter
		limit time.Duration
		index int
		err   error
	}{
		{"differs", waiters(3, 1), time.Minute, 1, nil},
		{"last of many differs", waiters(sys.MaxWaiters, sys.MaxWaiters-1), sys.NoLimit, sys.MaxWaiters - 1, nil},
		{"differs without time", waiters(2, 0), 0, 0, nil},
		{"no time", waiters(2, -1), 0, -1, sys.ErrTimeout},
		{"negative time", waiters(2, -1), -time.Hour, -1, sys.ErrTimeout},
		{"short time", waiters(2, -1), time.Millisecond, -1, sys.ErrTimeout},
		{"short time for many", waiters(sys.MaxWaiters, -1), 999 * time.Microsecond, -1, sys.ErrTimeout},
		{"nothing", nil, time.Minute, -1, unix.EINVAL},
		{"too many", waiters(sys.MaxWaiters+1, -1), time.Minute, -1, unix.EINVAL},
	}
	for _, c := range cases {
		if i, err := sys.FutexWaitv(c.ws, c.limit); i != c.index || !errors.Is(err, c.err) {
			t.Errorf("%s: %d, %v; want %d, %v", c.name, i, err, c.index, c.err)
		}
	}
}

func TestFutexWaitvWoken(t *testing.T) {
	needWaitv(t)
	for _, n := range []int{1, 3, 4, 5, sys.MaxWaiters} {
		for _, private := range []bool{false, true} {
			words := make([]uint32, n)
			ws := make([]sys.FutexWaiter, n)
			for i := range ws {
				ws[i] = sys.FutexWaiter{Word: &words[i], Private: private}
			}
			got := make(chan int)
			go func() {
				for {
					i, err := sys.FutexWaitv(ws, sys.NoLimit)
					if err != nil {
						t.Error(err)
					}
					if i >= 0 || err != nil {
						got <- i
						return
					}
				}
			}()
			last := &words[n-1]
			if private {
				wakeOne(t, func() int { return sys.FutexWake(last, 1) + sys.FutexWakePrivate(last, 1) })
			} else {
				wakeOne(t, func() int { return sys.FutexWakePrivate(last, 1) + sys.FutexWake(last, 1) })
			}
			if i := <-got; i != n-1 {
				t.Errorf("of %d words (private: %v) %d was woken, want %d", n, private, i, n-1)
			}
		}
	}
}

// TestFutexWaitvKinds shows that a private sleeper and a shared wake miss each
// other, which is why both are named.
func TestFutexWaitvKinds(t *testing.T) {
	needWaitv(t)
	for range 50 {
		var word uint32
		done := make(chan struct{})
		go func() {
			defer close(done)
			for i, err := -1, error(nil); i < 0 && err == nil; {
				i, err = sys.FutexWaitv([]sys.FutexWaiter{{Word: &word, Private: true}}, time.Minute)
			}
		}()
		wakeOne(t, func() int {
			if sys.FutexWake(&word, 1) != 0 {
				t.Fatal("a shared wake woke a private sleeper")
			}
			return sys.FutexWakePrivate(&word, 1)
		})
		<-done
	}
}

// TestFutexWaitvStack sleeps on a word of a stack that grows before.
func TestFutexWaitvStack(t *testing.T) {
	needWaitv(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		var word uint32
		ws := [1]sys.FutexWaiter{{Word: &word, Want: 0}}
		for depth := range 200 {
			if i := deeper(depth*10, ws[:]); i != -1 {
				t.Errorf("depth %d: the word that is as wanted differs", depth)
			}
		}
	}()
	<-done
}

//go:noinline
func deeper(n int, ws []sys.FutexWaiter) int {
	if n == 0 {
		i, _ := sys.FutexWaitv(ws, time.Microsecond)
		return i
	}
	return deeper(n-1, ws)
}

func TestFutexAllocatesNothing(t *testing.T) {
	var word uint32
	ws := []sys.FutexWaiter{{Word: &word}, {Word: &word}, {Word: &word, Private: true}}
	n := testing.AllocsPerRun(20, func() {
		sys.FutexWait(&word, 0, time.Microsecond)
		sys.FutexWake(&word, 1)
		_, _ = sys.FutexWaitv(ws, time.Microsecond)
		_, _ = sys.FutexWaitv(ws, 0)
	})
	if n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

func TestFutexWaitvChanges(t *testing.T) {
	needWaitv(t)
	var word, other uint32
	ws := []sys.FutexWaiter{{Word: &other}, {Word: &word}}
	for round := range uint32(200) {
		ws[1].Want = round
		go func() {
			atomic.StoreUint32(&word, round+1)
			sys.FutexWake(&word, 1)
		}()
		for atomic.LoadUint32(&word) == round {
			if _, err := sys.FutexWaitv(ws, time.Minute); err != nil {
				t.Fatal(err)
			}
		}
	}
}
