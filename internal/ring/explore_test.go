//go:build shmcheck

package ring_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/ring"
	"github.com/shoal-ipc/shoal/internal/satomic"
)

// schedule runs bodies one step at a time, in an order that a seed determines.
type schedule struct {
	rng     *rand.Rand
	actors  []*actor
	current *actor
	yielded chan struct{}
	stay    float64 // probability that the same actor goes on
}

type actor struct {
	slot   uint32
	resume chan bool // false: die
	over   bool
}

func newSchedule(seed uint64) *schedule {
	rng := rand.New(rand.NewPCG(seed, 1))
	return &schedule{rng: rng, yielded: make(chan struct{}), stay: []float64{0, 0.5, 0.8, 0.95}[seed%4]}
}

// add starts an actor, which waits for its first turn.
func (s *schedule) add(slot uint32, body func()) *actor {
	a := &actor{slot: slot, resume: make(chan bool)}
	s.actors = append(s.actors, a)
	go func() {
		defer func() {
			a.over = true
			s.yielded <- struct{}{}
		}()
		if !<-a.resume {
			return
		}
		body()
	}()
	return a
}

// hook is a step of the current actor.
func (s *schedule) hook() {
	a := s.current
	s.yielded <- struct{}{}
	if !<-a.resume {
		runtime.Goexit()
	}
}

func (s *schedule) turn(a *actor, live bool) {
	s.current = a
	a.resume <- live
	<-s.yielded
}

// run plays until every actor is over. At most kills of those with a slot die on
// the way; what follows a death is up to died.
func (s *schedule) run(kills int, died func(slot uint32)) {
	satomic.SetHook(s.hook)
	defer satomic.SetHook(nil)
	var a *actor
	for {
		var ready []*actor
		for _, x := range s.actors {
			if !x.over {
				ready = append(ready, x)
			}
		}
		if len(ready) == 0 {
			return
		}
		if a == nil || a.over || s.rng.Float64() >= s.stay {
			a = ready[s.rng.IntN(len(ready))]
		}
		if kills > 0 && s.rng.IntN(150) == 0 {
			kills--
			s.turn(a, false)
			died(a.slot)
			continue
		}
		s.turn(a, true)
	}
}

// ledger is what the actors of a play have done for sure.
type ledger struct {
	t      *testing.T
	b      *bed
	put    map[string]bool // message: put for sure
	trying map[string]bool // message: perhaps put, if its actor died
	got    map[string]int
	taking map[uint32]int // slot: messages that may be gone with it
	last   map[string]int // consumer and producer: the last first delivery
	ended  bool           // somebody was told that there is no more
}

func (l *ledger) putting(m string, put func() error) {
	l.trying[m] = true
	if err := put(); err == nil {
		l.put[m] = true
	} else if !errors.Is(err, ring.ErrFull) && !errors.Is(err, ring.ErrShutdown) {
		l.t.Errorf("putting %.20q: %v", m, err)
	}
	delete(l.trying, m)
}

// took notes that slot has a message, before it is taken for good.
func (l *ledger) took(slot uint32, m string, attempt int, late bool) {
	if late {
		l.t.Errorf("%.20q came after the end", m)
	}
	if attempt > 1 {
		return
	}
	name, _, _ := strings.Cut(m, "|")
	from, number, ok := strings.Cut(name, ":")
	n := 0
	if _, err := fmt.Sscan(number, &n); !ok || err != nil {
		l.t.Errorf("not a message: %.20q", m)
	}
	key := fmt.Sprint(slot, " from ", from)
	if n <= l.last[key] {
		l.t.Errorf("consumer %s: %d after %d", key, n, l.last[key])
	}
	l.last[key] = n
}

// play is one actor's part: random operations.
func (l *ledger) play(slot uint32, p *ring.Port, rng *rand.Rand, steps int) func() {
	number := 0
	next := func() string {
		number++
		m := fmt.Sprintf("%d:%d|", slot, number)
		if rng.IntN(3) == 0 {
			m += long(100+rng.IntN(1400), number)
		}
		return m
	}
	return func() {
		var held []ring.Message
		var loans []ring.Loan
		for range steps {
			switch rng.IntN(8) {
			case 0, 1:
				m := next()
				l.putting(m, func() error { return p.TryPut([]byte(m)) })
			case 2:
				_ = l.take(slot, p) // perhaps there is none
			case 3:
				late := l.ended
				l.taking[slot]++
				if m, err := p.TryReceive(); err == nil {
					l.took(slot, string(p.Bytes(m)), m.Attempt(), late)
					held = append(held, m)
				}
				l.taking[slot]--
			case 4:
				l.build(p, next(), rng.IntN(4))
			case 5:
				if loan, err := p.TryReserve(ring.Terms{Size: 40, Tag: uint16(number), Lent: rng.IntN(2) == 0}); err == nil {
					loans = append(loans, loan)
				}
			case 6:
				for _, loan := range loans {
					number++
					m := fmt.Sprintf("%d:%d|", slot, number)
					l.putting(m, func() error { return p.PublishBytes(loan, []byte(m)) })
				}
				loans = nil
			default:
				for _, m := range held {
					l.settle(slot, p, m, rng.IntN(2) == 0)
				}
				held = held[:0]
			}
		}
		for _, m := range held {
			l.settle(slot, p, m, true)
		}
		for _, loan := range loans {
			p.Abandon(loan)
		}
	}
}

func (l *ledger) take(slot uint32, p *ring.Port) error {
	late := l.ended
	m, err := p.TryTake()
	if err != nil {
		return err
	}
	s := string(p.Bytes(m))
	l.took(slot, s, m.Attempt(), late)
	l.taking[slot]++
	p.Finish(m)
	l.taking[slot]--
	l.got[s]++
	return nil
}

func (l *ledger) settle(slot uint32, p *ring.Port, m ring.Message, ack bool) {
	if !ack {
		p.Nack(m)
		return
	}
	s := string(p.Bytes(m))
	l.taking[slot]++
	if err := p.Ack(m); err != nil {
		l.t.Errorf("ack: %v", err)
	}
	l.taking[slot]--
	l.got[s]++
}

// build puts by way of a loan; number it only when it is published, for that is
// when it gets its place in the order.
func (l *ledger) build(p *ring.Port, m string, how int) {
	loan, err := p.TryReserve(ring.Terms{Size: int64(len(m)), Tag: uint16(how), Lent: how&1 == 0})
	if err != nil {
		return
	}
	if how == 3 {
		p.Abandon(loan)
		return
	}
	l.putting(m, func() error {
		if loan.HasBlock() {
			copy(p.BlockBytes(loan, int64(len(m))), m)
			return p.PublishBlock(loan, len(m))
		}
		return p.PublishBytes(loan, []byte(m))
	})
}

// balance empties the queue and compares.
func (l *ledger) balance(p *ring.Port) {
	l.b.check()
	for {
		s, err := get(p)
		if err != nil {
			break
		}
		l.got[s]++
	}
	l.b.checkEmpty()
	lost := 0
	for m := range l.put {
		if l.got[m] == 0 {
			lost++
		}
	}
	allowed := 0
	for _, n := range l.taking {
		allowed += n
	}
	if lost > allowed {
		l.t.Errorf("%d messages lost, %d may be", lost, allowed)
	}
	for m, n := range l.got {
		if n != 1 || !l.put[m] && !l.trying[m] {
			l.t.Errorf("%.20q came %d times, put %v", m, n, l.put[m])
		}
	}
}

func exploreOnce(t *testing.T, seed uint64, cap int64, kills int) {
	b := newBed(t, ring.Spec{Cap: cap, MaxSize: 1600, Granule: 256, Heap: 4096})
	if seed%3 == 0 {
		b.core.SetLap(1<<40 - 2)
	}
	l := &ledger{
		t: t, b: b, put: map[string]bool{}, trying: map[string]bool{}, got: map[string]int{},
		taking: map[uint32]int{}, last: map[string]int{},
	}
	s := newSchedule(seed)
	for slot := uint32(1); slot <= 3; slot++ {
		s.add(slot, l.play(slot, b.port(slot), s.rng, 6))
	}
	var dead []uint32
	repair := func() {
		for _, slot := range dead {
			b.core.Repair(object.Dead{Slot: slot})
			b.core.Repair(object.Dead{Slot: slot, Exited: true})
		}
	}
	s.run(kills, func(slot uint32) {
		if slot != 0 {
			dead = append(dead, slot)
		}
		s.add(0, repair) // also if the repairer died
	})
	repair()
	for _, slot := range dead {
		delete(b.uses, slot)
	}
	l.balance(b.port(4))
	if t.Failed() {
		t.Fatalf("seed %d, cap %d, kills %d\n%s", seed, cap, kills, b.core.Dump())
	}
}

// TestExplore plays random schedules of random operations, with and without deaths.
func TestExplore(t *testing.T) {
	seeds := uint64(300)
	if testing.Short() {
		seeds = 50
	}
	for _, cap := range []int64{1, 2, 3, 4} {
		for kills := range 3 {
			t.Run(fmt.Sprintf("cap=%d/kills=%d", cap, kills), func(t *testing.T) {
				for seed := range seeds {
					exploreOnce(t, seed, cap, kills)
				}
			})
		}
	}
}

// TestExploreShutdown plays schedules that end with a shutdown: nothing is left
// once a consumer was told so.
func TestExploreShutdown(t *testing.T) {
	for seed := range uint64(1000) {
		b := newBed(t, ring.Spec{Cap: 1 + int64(seed)%3})
		l := &ledger{
			t: t, b: b, put: map[string]bool{}, trying: map[string]bool{}, got: map[string]int{},
			taking: map[uint32]int{}, last: map[string]int{},
		}
		s := newSchedule(seed)
		for slot := uint32(1); slot <= 2; slot++ {
			p := b.port(slot)
			s.add(slot, func() {
				for i := 1; i < 5; i++ {
					m := fmt.Sprintf("%d:%d", slot, i)
					if i%2 == 0 {
						l.build(p, m, 0)
						continue
					}
					l.putting(m, func() error { return p.TryPut([]byte(m)) })
				}
			})
		}
		p := b.port(3)
		s.add(3, func() { p.Shutdown() })
		c := b.port(4)
		s.add(4, func() {
			for {
				if err := l.take(4, c); errors.Is(err, ring.ErrShutdown) {
					l.ended = true
					if err := b.core.AtRest(); err != nil && !strings.Contains(err.Error(), "WRITING") && !strings.Contains(err.Error(), "FILLING") {
						t.Errorf("told of the end, but %v", err)
					}
					return
				}
			}
		})
		s.run(0, nil)
		if _, err := c.TryTake(); !errors.Is(err, ring.ErrShutdown) {
			t.Errorf("after the end: %v", err)
		}
		if t.Failed() {
			t.Fatalf("seed %d\n%s", seed, b.core.Dump())
		}
	}
}

// TestExploreJoin has an actor with always at least one message in the queue or
// in its hands; nobody else may believe at any time that the queue is empty.
func TestExploreJoin(t *testing.T) {
	for seed := range uint64(1500) {
		b := newBed(t, ring.Spec{Cap: 3 + int64(seed)%3})
		s := newSchedule(seed)
		p := b.port(1)
		mustPut(t, p, "first")
		busy := true
		s.add(1, func() {
			for i := range 4 {
				m := must(p.TryReceive())
				l := must(p.TryReserve(ring.Terms{Size: 10}))
				if i == 0 {
					_ = p.TryPut([]byte("more")) // if there is room
				}
				if err := p.PublishBytes(l, []byte("next")); err != nil {
					t.Error(err)
				}
				if err := p.Ack(m); err != nil {
					t.Error(err)
				}
			}
			busy = false
			for _, err := get(p); err == nil; {
				_, err = get(p)
			}
		})
		s.add(2, func() {
			for range 6 {
				if done, sure := b.core.Done(); done && sure && busy {
					t.Error("empty before its time")
				}
			}
		})
		s.run(0, nil)
		if done, sure := b.core.Done(); !done || !sure {
			t.Error("not empty at the end", done, sure)
		}
		if t.Failed() {
			t.Fatalf("seed %d\n%s", seed, b.core.Dump())
		}
	}
}

// TestExploreLate plays with messages that are given back all the time: none is
// ever out of sight once everybody rests.
func TestExploreLate(t *testing.T) {
	for seed := range uint64(1500) {
		b := newBed(t, ring.Spec{Cap: 3})
		s := newSchedule(seed)
		p := b.port(1)
		mustPut(t, p, "x", "y")
		for slot := uint32(2); slot <= 4; slot++ {
			c := b.port(slot)
			s.add(slot, func() {
				for range 3 {
					if m, err := c.TryReceive(); err == nil {
						c.Nack(m)
					}
				}
			})
		}
		s.run(0, nil)
		first, err1 := get(p)
		second, err2 := get(p)
		if err1 != nil || err2 != nil || first == second {
			t.Fatalf("seed %d: %q, %v; %q, %v\n%s", seed, first, err1, second, err2, b.core.Dump())
		}
		b.checkEmpty()
	}
}
