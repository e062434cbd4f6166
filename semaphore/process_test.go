package semaphore_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/semaphore"
)

// obey does what the parent tells it to.
var obey = registerChild("obey", func(p *parent) error {
	s, err := p.open()
	if err != nil {
		return err
	}
	p.say("ready")
	for {
		var verb string
		var n int
		if _, err := fmt.Sscan(p.hear(), &verb, &n); err != nil {
			return err
		}
		switch verb {
		case "acquire":
			err = s.Acquire(context.Background(), n)
		case "try":
			err = s.TryAcquire(n)
		case "release":
			err = s.Release(n)
		}
		p.say(verb, n, err)
	}
})

func ready(t testing.TB, s *semaphore.Semaphore) *child {
	t.Helper()
	c := start(t, obey, s)
	c.want("ready")
	return c
}

func (c *child) does(verb string, n int) {
	c.t.Helper()
	c.tell(verb, n)
	c.want(fmt.Sprint(verb, " ", n, " <nil>"))
}

// TestTwoProcesses is the plain life of a named semaphore.
// Conformance: RCL-03.
func TestTwoProcesses(t *testing.T) {
	s := must(semaphore.Create(context.Background(), named(t), "s", semaphore.Spec{Permits: 2}))(t)
	c := ready(t, s)
	acquire(t, s, 1)
	c.does("acquire", 1)
	wantFree(t, s, 0)
	c.tell("try", 1)
	c.want("try 1 " + semaphore.ErrNoPermit.Error())
	c.does("release", 1)
	wantFree(t, s, 1)
	c.tell("release", 1) // that this process holds
	c.want("release 1 " + semaphore.ErrNotHeld.Error())
	wantFree(t, s, 1)
	c.does("acquire", 1)
	c.tell("acquire", 1)
	release(t, s, 1)
	c.want("acquire 1 <nil>")
	wantFree(t, s, 0)
	c.does("release", 2)
	wantFree(t, s, 2)
}

// Conformance: SEM-09.
func TestSignalAcrossProcesses(t *testing.T) {
	s := must(semaphore.Create(context.Background(), named(t), "s", semaphore.Spec{Kind: semaphore.Signal}))(t)
	c := ready(t, s)
	c.tell("acquire", 1)
	release(t, s, 1)
	c.want("acquire 1 <nil>")
	c.does("release", 5) // what another process consumes
	acquire(t, s, 4)
	wantFree(t, s, 1)
	c.kill()
	c.repaired()
	wantFree(t, s, 1) // what it consumed is gone with it, what it added stays
}

// TestContendedPhases has ten processes, each acquiring twice, and counts how
// many get through at each phase.
// Conformance: SEM-05, SEM-06.
func TestContendedPhases(t *testing.T) {
	parties := 10
	if testing.Short() {
		parties = 4
	}
	s := must(semaphore.Create(context.Background(), named(t), "s", semaphore.Spec{Permits: 7, Kind: semaphore.Signal}))(t)
	acquire(t, s, 1)
	results := make(chan string, 2*parties)
	for range parties {
		c := ready(t, s)
		c.tell("acquire", 1)
		c.tell("acquire", 1)
		go func() {
			for range 2 {
				line, err := c.out.ReadString('\n')
				results <- fmt.Sprint(line, err)
			}
		}()
	}
	through := 0
	phase := func(want int) {
		t.Helper()
		for ; through < want; through++ {
			select {
			case r := <-results:
				if r != "acquire 1 <nil>\n<nil>" {
					t.Fatal(r)
				}
			case <-time.After(watchdog):
				t.Fatalf("%d got through, want %d", through, want)
			}
		}
		wantFree(t, s, 0)
		if len(results) != 0 {
			t.Errorf("more than %d got through", want)
		}
	}
	phase(6)
	if !testing.Short() {
		release(t, s, 7)
		phase(13)
		release(t, s, 6)
		phase(19)
	} else {
		release(t, s, 1)
		phase(7)
	}
	wantErr(t, "TryAcquire", s.TryAcquire(1), semaphore.ErrNoPermit)
	release(t, s, 1)
	phase(2 * parties)
}

// Conformance: ROS-06.
func TestKilledHolder(t *testing.T) {
	s := must(semaphore.Create(context.Background(), named(t), "s", semaphore.Spec{Permits: 600}))(t)
	acquire(t, s, 1)
	for _, n := range []int{1, 3, 300} {
		c := ready(t, s)
		c.does("acquire", n)
		wantFree(t, s, 599-n)
		done := make(chan error, 1)
		go func() { done <- s.Acquire(context.Background(), 599) }()
		eventually(t, "one gathers", func() bool { return s.Available() == 0 })
		c.kill()
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(watchdog):
			t.Fatal("the dead child's permits do not come back")
		}
		release(t, s, 599)
		wantFree(t, s, 599)
	}
	release(t, s, 1)
}

// TestKilledWaiter kills processes that wait, or were just woken: the permit that
// comes must reach a survivor.
func TestKilledWaiter(t *testing.T) {
	rounds := 12
	if testing.Short() {
		rounds = 2
	}
	s := must(semaphore.Create(context.Background(), named(t), "s", semaphore.Spec{Permits: 2}))(t)
	survivor := ready(t, s)
	for i := range rounds {
		acquire(t, s, 2)
		victim := ready(t, s)
		victim.tell("acquire", 1+i%2)
		survivor.tell("acquire", 1)
		go func() {
			_ = victim.cmd.Process.Kill()
		}()
		release(t, s, 1)
		release(t, s, 1)
		survivor.want("acquire 1 <nil>")
		survivor.does("release", 1)
		_ = victim.cmd.Wait()
		victim.repaired()
		wantFree(t, s, 2)
	}
}

// churn acquires and releases in every way until it is killed.
var churn = registerChild("churn", func(p *parent) error {
	s, err := p.open()
	if err != nil {
		return err
	}
	seed, err := strconv.ParseUint(p.hear(), 10, 64)
	if err != nil {
		return err
	}
	most := s.Spec().Permits
	fail := make(chan error, 3)
	for g := range uint64(3) {
		r := rand.New(rand.NewPCG(seed, g))
		if g == 2 {
			p.say("at work")
		}
		go func() {
			for {
				if err := churnOnce(s, r, most); err != nil {
					fail <- err
					return
				}
			}
		}()
	}
	return <-fail
})

func churnOnce(s *semaphore.Semaphore, r *rand.Rand, most int) error {
	n := 1
	if r.IntN(4) == 0 {
		n += r.IntN(most)
	}
	var err error
	switch r.IntN(4) {
	case 0:
		err = s.TryAcquire(n)
	case 1:
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(r.IntN(500))*time.Microsecond)
		err = s.Acquire(ctx, n)
		cancel()
	default:
		err = s.Acquire(context.Background(), n)
	}
	switch {
	case err == nil:
		return s.Release(n)
	case errors.Is(err, semaphore.ErrNoPermit), errors.Is(err, context.DeadlineExceeded):
		return nil
	}
	return err
}

// TestKillAtRandom kills processes at random moments of their operations. After
// each death the books balance; at the end all permits are free.
// Conformance: RCL-04.
func TestKillAtRandom(t *testing.T) {
	kills := 150
	if testing.Short() {
		kills = 20
	}
	for _, permits := range []int{1, 3, 400} {
		t.Run(fmt.Sprint(permits), func(t *testing.T) {
			seg := named(t)
			s := must(semaphore.Create(context.Background(), seg, "s", semaphore.Spec{Permits: permits}))(t)
			const procs = 3
			var crew [procs]*child
			hire := func(i, seed int) {
				crew[i] = start(t, churn, s)
				crew[i].tell(seed)
				crew[i].want("at work")
			}
			for i := range crew {
				hire(i, i)
			}
			r := rand.New(rand.NewPCG(uint64(permits), 1))
			for k := range kills / 3 {
				for range 1 + r.IntN(30) { // at work meanwhile; the books must stay right
					acquire(t, s, 1)
					release(t, s, 1)
				}
				i := r.IntN(procs)
				crew[i].kill()
				if k%10 == 9 {
					crew[i].repaired()
				}
				if err := seg.Check(); err != nil {
					t.Fatalf("after kill %d: %v", k, err)
				}
				hire(i, procs+k)
			}
			for _, c := range crew {
				c.kill()
			}
			for _, c := range crew {
				c.repaired()
			}
			wantFree(t, s, permits)
			if s.Held() != 0 {
				t.Errorf("holds %d at the end", s.Held())
			}
			acquire(t, s, permits)
			release(t, s, permits)
		})
	}
}

// threes consumes and adds three events at a time until it is killed.
var threes = registerChild("threes", func(p *parent) error {
	s, err := p.open()
	if err != nil {
		return err
	}
	p.hear()
	fail := make(chan error, 2)
	for range 2 {
		go func() {
			for {
				if err := s.Acquire(context.Background(), 3); err != nil {
					fail <- err
				}
				if err := s.Release(3); err != nil {
					fail <- err
				}
			}
		}()
	}
	p.say("at work")
	return <-fail
})

// TestKillSignalAtRandom kills processes that consume events in threes, which
// they often have to gather, and add them again. What one had consumed is gone
// with it, but whole threes only: none of what it was gathering.
func TestKillSignalAtRandom(t *testing.T) {
	kills := 60
	if testing.Short() {
		kills = 10
	}
	events := 10 * kills
	s := must(semaphore.Create(context.Background(), named(t), "s", semaphore.Spec{Kind: semaphore.Signal}))(t)
	crew := []*child{startThrees(t, s), startThrees(t, s), startThrees(t, s)}
	for i := range events { // one by one, so that threes are gathered
		release(t, s, 1)
		if i%10 != 9 {
			continue
		}
		k := i / 10 % len(crew)
		crew[k].kill()
		crew[k] = startThrees(t, s)
	}
	for _, c := range crew {
		c.kill()
	}
	for _, c := range crew {
		c.repaired()
	}
	lost := events - s.Available()
	if lost%3 != 0 || lost < 0 || lost > 2*3*(kills+len(crew)) {
		t.Errorf("%d events are gone after %d deaths, want some threes", lost, kills+len(crew))
	}
}

func startThrees(t testing.TB, s *semaphore.Semaphore) *child {
	t.Helper()
	c := start(t, threes, s)
	c.tell("go")
	c.want("at work")
	return c
}
