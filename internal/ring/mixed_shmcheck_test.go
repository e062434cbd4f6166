//go:build shmcheck

package ring_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/shoal-ipc/shoal/internal/ring"
	"github.com/shoal-ipc/shoal/internal/satomic"
)

// mixture is what the actors of a play know of the queue that they use in every
// form there is: who has put and got what, and what was there for whom.
type mixture struct {
	*bed
	s    *schedule
	rng  *rand.Rand
	next map[uint32]int // producer: number of its last message
	top  map[uint32]int // producer: the last one of its messages that was delivered
	put  map[string]bool
	got  map[string]int
	back map[string]bool // about to be given back
	now  int             // operations that have begun and not ended
	all  int             // operations that have begun
	slow int             // messages that were taken, and not finished on purpose
}

// nameLen is the length of every message, as it is in a queue in which there are runs.
const nameLen = 9

// quietly runs f without the steps that it takes.
func (x *mixture) quietly(f func()) {
	satomic.SetHook(nil)
	f()
	if x.s != nil {
		satomic.SetHook(x.s.hook)
	}
}

func (x *mixture) begin() (alone bool, at int) {
	x.now++
	x.all++
	return x.now == 1, x.all
}

func (x *mixture) name(slot uint32) string {
	x.next[slot]++
	return fmt.Sprintf("%-*s", nameLen, fmt.Sprintf("%d:%d", slot, x.next[slot]))
}

// puts does put, of one message or some. If nobody else does anything meanwhile,
// there must be room if it succeeds, and none if it does not.
func (x *mixture) puts(what string, put func() error) {
	alone, at := x.begin()
	var used uint32
	x.quietly(func() { used = x.core.Used() })
	err := put()
	alone = alone && x.all == at
	x.now--
	if err != nil && !errors.Is(err, ring.ErrFull) {
		x.t.Errorf("%s: %v", what, err)
	}
	if room := int(used) < x.core.Cap(); alone && (err == nil) != room && (err == nil || x.slow == 0) {
		x.t.Errorf("%s with %d messages of %d: %v", what, used, x.core.Cap(), err)
	}
}

// sends is puts of message m.
func (x *mixture) sends(m string, put func() error) {
	x.puts("putting "+m, func() error {
		err := put()
		x.put[m] = err == nil
		return err
	})
}

// run puts up to most messages in one go, and reports whether there was any.
func (x *mixture) run(slot uint32, p *ring.Port, most int) bool {
	x.begin()
	defer func() { x.now-- }()
	c, n := p.ClaimRun(most)
	var names []string
	for k := range n {
		m := x.name(slot)
		names = append(names, m)
		slot := c
		slot.Index += uint32(k)
		copy(p.Inline(slot), m)
	}
	if n > 0 {
		p.PublishRun(c, n, nameLen)
	}
	for _, m := range names {
		x.put[m] = true
	}
	return n > 0
}

// takes does take, and looks at what came, or did not.
func (x *mixture) takes(p *ring.Port, take func() ([]ring.Message, error)) []ring.Message {
	x.begin()
	var before map[string]int
	var top map[uint32]int
	x.quietly(func() {
		before = x.core.Deliverable()
		top = maps.Clone(x.top)
	})
	for m := range before {
		if !x.put[m] || x.back[m] {
			delete(before, m) // it is only about to be there
		}
	}
	messages, err := take()
	x.now--
	x.quietly(func() {
		for _, m := range messages {
			x.came(string(p.Bytes(m)), m.Attempt(), top)
		}
		if errors.Is(err, ring.ErrEmpty) {
			for m, tries := range x.core.Deliverable() {
				if n, ok := before[m]; ok && n == tries {
					x.t.Errorf("%v, and %s is there", err, m)
				}
			}
		} else if err != nil {
			x.t.Errorf("taking: %v", err)
		}
	})
	return messages
}

// came notes that m came; top is what was delivered before it was asked for.
func (x *mixture) came(m string, attempt int, top map[uint32]int) {
	if attempt > 1 {
		return
	}
	from, number, ok := strings.Cut(strings.Trim(m, " "), ":")
	slot, err1 := strconv.Atoi(from)
	n, err2 := strconv.Atoi(number)
	if !ok || err1 != nil || err2 != nil {
		x.t.Errorf("not a message: %q", m)
	}
	if s := uint32(slot); n <= top[s] {
		x.t.Errorf("%s after number %d", m, top[s])
	} else {
		x.top[s] = max(x.top[s], n)
		top[s] = n
	}
}

func (x *mixture) ends(p *ring.Port, m ring.Message, end func()) {
	name := string(p.Bytes(m))
	x.begin()
	end()
	x.now--
	x.got[name]++
}

// player is one actor.
type player struct {
	*mixture
	slot  uint32
	p     *ring.Port
	held  []ring.Message // received
	taken []ring.Message // and not finished
	loans []ring.Loan
}

func one(m ring.Message, err error) ([]ring.Message, error) {
	if err != nil {
		return nil, err
	}
	return []ring.Message{m}, nil
}

func (y *player) produce() {
	switch y.rng.IntN(5) {
	case 0, 1:
		m := y.name(y.slot)
		y.sends(m, func() error { return y.p.TryPut([]byte(m)) })
	case 2:
		if !y.run(y.slot, y.p, 1+y.rng.IntN(3)) {
			m := y.name(y.slot)
			y.sends(m, func() error { return y.p.TryPut([]byte(m)) })
		}
	case 3:
		y.puts("reserving", func() error {
			l, err := y.p.TryReserve(ring.Terms{Size: 1, Tag: uint16(y.next[y.slot]), Lent: y.rng.IntN(2) == 0})
			if err == nil {
				y.loans = append(y.loans, l)
			}
			return err
		})
	default:
		if len(y.loans) == 0 {
			return
		}
		i := y.rng.IntN(len(y.loans))
		l := y.loans[i]
		y.loans = slices.Delete(y.loans, i, i+1)
		y.begin()
		if y.rng.IntN(4) == 0 {
			y.p.Abandon(l)
		} else {
			m := y.name(y.slot)
			if err := y.p.PublishBytes(l, []byte(m)); err != nil {
				y.t.Error(err)
			}
			y.put[m] = true
		}
		y.now--
	}
}

func (y *player) consume() {
	switch y.rng.IntN(6) {
	case 0:
		for _, m := range y.takes(y.p, func() ([]ring.Message, error) { return one(y.p.TryTake()) }) {
			y.ends(y.p, m, func() { y.p.Finish(m) })
		}
	case 1: // it is slow about it
		if y.core.Spec().Mode == ring.SPSC {
			return
		}
		got := y.takes(y.p, func() ([]ring.Message, error) { return one(y.p.TryTake()) })
		y.slow += len(got)
		y.taken = append(y.taken, got...)
	case 2:
		y.takeRun()
	case 3:
		got := y.takes(y.p, func() ([]ring.Message, error) { return one(y.p.TryReceive()) })
		y.held = append(y.held, got...)
	case 4:
		if len(y.taken) > 0 {
			y.finish(y.rng.IntN(len(y.taken)))
		}
	default:
		if len(y.held) > 0 {
			y.settle(y.rng.IntN(len(y.held)), y.rng.IntN(2) == 0)
		}
	}
}

func (y *player) takeRun() {
	var run ring.Message
	got := y.takes(y.p, func() (got []ring.Message, err error) {
		var n int
		run, n = y.p.TakeRun(1+y.rng.IntN(3), nameLen)
		for k := range n {
			m := run
			m.Index += uint32(k)
			got = append(got, m)
		}
		return got, nil
	})
	if len(got) == 0 {
		return
	}
	var names []string
	y.quietly(func() {
		for _, m := range got {
			names = append(names, string(y.p.Bytes(m)))
		}
	})
	y.begin()
	y.p.FinishRun(run, len(got))
	y.now--
	for _, m := range names {
		y.got[m]++
	}
}

func (y *player) finish(i int) {
	m := y.taken[i]
	y.taken = slices.Delete(y.taken, i, i+1)
	y.ends(y.p, m, func() { y.p.Finish(m) })
	y.slow--
}

func (y *player) settle(i int, ack bool) {
	m := y.held[i]
	y.held = slices.Delete(y.held, i, i+1)
	if ack {
		y.ends(y.p, m, func() {
			if err := y.p.Ack(m); err != nil {
				y.t.Error(err)
			}
		})
		return
	}
	name := string(y.p.Bytes(m))
	y.begin()
	y.back[name] = true
	y.p.Nack(m)
	delete(y.back, name)
	y.now--
}

// play is the actor's part.
func (y *player) play(steps int, does ...func()) func() {
	return func() {
		for range steps {
			does[y.rng.IntN(len(does))]()
		}
		for len(y.taken) > 0 {
			y.finish(0)
		}
		if y.rng.IntN(2) == 0 { // leaves with what it has
			y.begin()
			var names []string
			for _, m := range y.held {
				names = append(names, string(y.p.Bytes(m)))
				y.back[names[len(names)-1]] = true
			}
			y.core.Leave(y.slot)
			for _, m := range names {
				delete(y.back, m)
			}
			for _, l := range y.loans {
				y.p.Abandon(l)
			}
			y.now--
			return
		}
		for len(y.held) > 0 {
			y.settle(0, y.rng.IntN(2) == 0)
		}
		for _, l := range y.loans {
			y.begin()
			y.p.Abandon(l)
			y.now--
		}
	}
}

func mixOnce(t *testing.T, seed uint64, spec ring.Spec) {
	b := newBed(t, spec)
	if seed%3 == 0 {
		b.core.SetLap(1<<40 - 2)
		b.core.SetTickets(1<<(31+uint32(seed)%2) - 4)
	}
	s := newSchedule(seed)
	x := &mixture{
		bed: b, s: s, rng: s.rng, next: map[uint32]int{}, top: map[uint32]int{},
		put: map[string]bool{}, got: map[string]int{}, back: map[string]bool{},
	}
	players := 4
	if spec.Mode == ring.SPSC {
		players = 2
	}
	for i := range players {
		y := &player{mixture: x, slot: uint32(i + 1), p: b.port(uint32(i + 1))}
		does := []func(){y.produce, y.consume}
		if spec.Mode == ring.SPSC {
			does = does[i : i+1]
		}
		s.add(y.slot, y.play(12, does...))
	}
	s.run(0, nil)
	b.check()
	if spec.Mode == ring.SPSC {
		b.core.Leave(1)
		b.core.Leave(2)
	}
	p := b.port(9)
	x.s = nil
	for {
		got := x.takes(p, func() ([]ring.Message, error) { return one(p.TryTake()) })
		if len(got) == 0 {
			break
		}
		x.got[string(p.Bytes(got[0]))]++
		p.Finish(got[0])
	}
	for m, sure := range x.put {
		if n := x.got[m]; sure && n != 1 || !sure && n != 0 {
			t.Errorf("%s: put %v, came %d times", m, sure, n)
		}
	}
	b.checkEmpty()
	if t.Failed() {
		t.Fatalf("seed %d, %+v\n%s", seed, spec, b.core.Dump())
	}
}

// TestMixed plays random schedules of everything that can be done with a queue, by
// participants that leave at last, some with what they hold.
func TestMixed(t *testing.T) {
	seeds := uint64(100)
	if testing.Short() {
		seeds = 20
	}
	for _, mode := range []int64{ring.MPMC, ring.SPSC} {
		for _, c := range []int64{1, 2, 3, 4, 7} {
			t.Run(fmt.Sprintf("mode=%d/cap=%d", mode, c), func(t *testing.T) {
				for seed := range seeds {
					mixOnce(t, seed, ring.Spec{Cap: c, Mode: mode})
				}
			})
		}
	}
}
