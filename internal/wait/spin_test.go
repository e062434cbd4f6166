package wait_test

import (
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/shoal-ipc/shoal/internal/satomic"
	"github.com/shoal-ipc/shoal/internal/wait"
)

func TestSpin(t *testing.T) {
	p := wait.NewPoint(new(satomic.Uint32), 0)
	if p.Spin(func() bool { return false }) {
		t.Error("true without success")
	}
	if !p.Spin(func() bool { return true }) {
		t.Error("false despite success")
	}
	// It goes on until somebody else has made it true.
	var w atomic.Bool
	go w.Store(true)
	until(t, func() bool { return p.Spin(w.Load) })
}

// TestGlance counts how often Glance looks: until it sees something, and not for ever.
func TestGlance(t *testing.T) {
	p, party := wait.NewPoint(new(satomic.Uint32), 0), newParty()
	glance := func(at int) (looks int, seen bool) {
		seen = p.Glance(func() bool { looks++; return looks == at })
		return looks, seen
	}
	const never = 0
	if satomic.Checked || runtime.NumCPU() == 1 || runtime.GOMAXPROCS(0) == 1 {
		if looks, seen := glance(1); looks != 0 || seen {
			t.Errorf("%d looks where nobody spins, and seen is %v", looks, seen)
		}
		return
	}
	if looks, seen := glance(never); looks < 2 || looks > 1000 || seen {
		t.Errorf("%d looks, and seen is %v", looks, seen)
	}
	if looks, seen := glance(2); looks != 2 || !seen {
		t.Errorf("%d looks for what the second one sees, and seen is %v", looks, seen)
	}
	if err := p.Enter(t.Context(), party); err != nil {
		t.Fatal(err)
	}
	defer p.Leave()
	if looks, seen := glance(1); looks != 0 || seen {
		t.Errorf("%d looks while somebody sleeps, and seen is %v", looks, seen)
	}
}

func TestLinger(t *testing.T) {
	p, party := wait.NewPoint(new(satomic.Uint32), 0), newParty()
	linger := func(most int) (looks int, waited bool) {
		waited = p.Linger(func() bool { looks++; return looks < most })
		return looks, waited
	}
	spins := !satomic.Checked && runtime.NumCPU() > 1 && runtime.GOMAXPROCS(0) > 1
	for _, most := range []int{1, 2, 7} {
		want := 0
		if spins {
			want = most
		}
		if looks, waited := linger(most); looks != want || waited != spins {
			t.Errorf("%d looks of %d, and waited is %v", looks, most, waited)
		}
	}
	if err := p.Enter(t.Context(), party); err != nil {
		t.Fatal(err)
	}
	defer p.Leave()
	if looks, waited := linger(2); looks != 0 || waited {
		t.Errorf("%d looks while somebody sleeps, and waited is %v", looks, waited)
	}
}

// TestSpinAdapts counts how often Spin looks: less after failures, as at first
// after a success, hardly when somebody sleeps already.
func TestSpinAdapts(t *testing.T) {
	if satomic.Checked || runtime.NumCPU() == 1 || runtime.GOMAXPROCS(0) == 1 {
		t.Skip("no spinning here")
	}
	p, party := wait.NewPoint(new(satomic.Uint32), 0), newParty()
	fail := func() (looks int) {
		p.Spin(func() bool { looks++; return false })
		return looks
	}
	first := fail()
	last := first
	for range 10 {
		looks := fail()
		if looks > last {
			t.Errorf("%d looks after %d and a failure", looks, last)
		}
		last = looks
	}
	if 4*last > first {
		t.Errorf("still %d looks of %d after ten failures", last, first)
	}
	p.Spin(func() bool { return true })
	if looks := fail(); looks != first {
		t.Errorf("%d looks after a success, %d at first", looks, first)
	}
	if err := p.Enter(t.Context(), party); err != nil {
		t.Fatal(err)
	}
	defer p.Leave()
	if looks := fail(); looks > 4 {
		t.Errorf("%d looks although somebody sleeps", looks)
	}
}
