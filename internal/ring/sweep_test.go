//go:build shmcheck

package ring_test

import (
	"fmt"
	"runtime"
	"slices"
	"testing"

	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/ring"
	"github.com/shoal-ipc/shoal/internal/satomic"
)

// stopAt runs f in a goroutine, which dies at its n-th step, and reports whether
// f came to its end before.
func stopAt(n int, f func()) (ended bool) {
	steps := 0
	over := make(chan struct{})
	satomic.SetHook(func() {
		if steps++; steps == n {
			satomic.SetHook(nil)
			runtime.Goexit()
		}
	})
	go func() {
		defer close(over)
		f()
		ended = true
	}()
	<-over
	satomic.SetHook(nil)
	return ended
}

const (
	survivor = 1
	victim   = 2
	third    = 3
)

// journal is what a victim had from its operations when it died.
type journal struct {
	puts int // how many of the act's messages were put for sure
	got  []string
}

// act is what a victim does. Its queue holds initial when it begins.
type act struct {
	name    string
	spec    ring.Spec
	held    int // of initial, how many the survivor holds as deliveries meanwhile
	initial []string
	puts    []string // what it puts, in order
	do      func(v *ring.Port, j *journal)
	loses   int // how many messages may be gone with it
}

func must[T any](x T, err error) T {
	if err != nil {
		panic(err)
	}
	return x
}

func putAll(messages ...string) func(*ring.Port, *journal) {
	return func(v *ring.Port, j *journal) {
		for _, s := range messages {
			if v.TryPut([]byte(s)) != nil {
				return
			}
			j.puts++
		}
	}
}

func getAll(n int) func(*ring.Port, *journal) {
	return func(v *ring.Port, j *journal) {
		for range n {
			m, err := v.TryTake()
			if err != nil {
				return
			}
			s := string(v.Bytes(m))
			v.Finish(m)
			j.got = append(j.got, s)
		}
	}
}

func reserve(s string, size int64, publish bool) func(*ring.Port, *journal) {
	return func(v *ring.Port, j *journal) {
		l, err := v.TryReserve(ring.Terms{Size: size, Tag: 7, Lent: true})
		if err != nil {
			return
		}
		switch {
		case !publish:
			v.Abandon(l)
		case l.HasBlock():
			copy(v.BlockBytes(l, size), s)
			if v.PublishBlock(l, len(s)) == nil {
				j.puts++
			}
		default:
			if v.PublishBytes(l, []byte(s)) == nil {
				j.puts++
			}
		}
	}
}

func putRun(messages ...string) func(*ring.Port, *journal) {
	return func(v *ring.Port, j *journal) {
		c, n := v.ClaimRun(len(messages))
		for k := range n {
			copy(v.Inline(ring.Claim{Index: c.Index + uint32(k)}), messages[k])
		}
		if n > 0 {
			v.PublishRun(c, n, 1)
		}
		j.puts += n
	}
}

func getRun(most int) func(*ring.Port, *journal) {
	return func(v *ring.Port, j *journal) {
		first, n := v.TakeRun(most, 1)
		var got []string
		for k := range n {
			m := first
			m.Index += uint32(k)
			got = append(got, string(v.Bytes(m)))
		}
		if n > 0 {
			v.FinishRun(first, n)
		}
		j.got = append(j.got, got...)
	}
}

func acts() []act {
	small := ring.Spec{Cap: 4}
	mixed := ring.Spec{Cap: 4, MaxSize: 2000, Granule: 256, Heap: 8000}
	cells := ring.Spec{Cap: 4, SlotSize: 2000, MaxSize: 2000}
	big, big2, big3 := long(1500, 1), long(1500, 2), long(700, 3)
	return []act{
		{name: "put", spec: small, initial: []string{"a", "b"}, puts: []string{"v"}, do: putAll("v")},
		{name: "put into empty", spec: ring.Spec{Cap: 1}, puts: []string{"v"}, do: putAll("v")},
		{name: "put three", spec: small, initial: []string{"a"}, puts: []string{"v", "w", "x"}, do: putAll("v", "w", "x")},
		{name: "put past loans", spec: small, initial: []string{"a", "b", "c"}, held: 3, puts: []string{"v"}, do: putAll("v")},
		{name: "put when all is lent", spec: small, initial: []string{"a", "b", "c", "d"}, held: 4, do: putAll("v")},
		{name: "put long", spec: mixed, initial: []string{big}, puts: []string{big2}, do: putAll(big2)},
		{name: "put cell", spec: cells, initial: []string{"a", big}, puts: []string{big2, big3}, do: putAll(big2, big3)},
		{name: "get", spec: small, initial: []string{"a", "b"}, do: getAll(1), loses: 1},
		{name: "get three", spec: small, initial: []string{"a", "b", "c", "d"}, do: getAll(3), loses: 1},
		{name: "get long", spec: mixed, initial: []string{big, big2, "c"}, do: getAll(2), loses: 1},
		{name: "get cell", spec: cells, initial: []string{big, big2}, do: getAll(1), loses: 1},
		{name: "receive", spec: small, initial: []string{"a", "b", "c"}, do: func(v *ring.Port, _ *journal) {
			must(v.TryReceive())
			must(v.TryReceive())
		}},
		{name: "receive and ack", spec: small, initial: []string{"a", "b"}, loses: 1, do: func(v *ring.Port, j *journal) {
			m := must(v.TryReceive())
			if v.Ack(m) == nil {
				j.got = append(j.got, "a")
			}
		}},
		{name: "receive and ack long", spec: mixed, initial: []string{big, "b"}, loses: 1, do: func(v *ring.Port, j *journal) {
			m := must(v.TryReceive())
			if v.Ack(m) == nil {
				j.got = append(j.got, big)
			}
		}},
		{name: "receive and nack", spec: mixed, initial: []string{"a", big, "c"}, do: func(v *ring.Port, _ *journal) {
			m1, m2 := must(v.TryReceive()), must(v.TryReceive())
			v.Nack(m1)
			v.Nack(m2)
			m1 = must(v.TryReceive())
			v.Nack(m1)
		}},
		{name: "get what was given back", spec: small, initial: []string{"a", "b", "c"}, loses: 1, do: func(v *ring.Port, j *journal) {
			m1, m2 := must(v.TryReceive()), must(v.TryReceive())
			v.Nack(m2)
			v.Nack(m1)
			getAll(3)(v, j)
		}},
		{name: "reserve", spec: small, initial: []string{"a"}, puts: []string{"v"}, do: reserve("v", 10, true)},
		{name: "reserve the last place", spec: small, initial: []string{"a", "b", "c"}, puts: []string{"v"}, do: reserve("v", 10, true)},
		{name: "reserve the only place", spec: ring.Spec{Cap: 1}, puts: []string{"v"}, do: reserve("v", 10, true)},
		{name: "reserve long", spec: mixed, initial: []string{"a", "b", "c"}, puts: []string{big}, do: reserve(big, 1500, true)},
		{name: "reserve cell", spec: cells, initial: []string{"a", "b"}, puts: []string{big}, do: reserve(big, 1500, true)},
		{name: "abandon", spec: small, initial: []string{"a"}, do: reserve("v", 10, false)},
		{name: "abandon long", spec: mixed, initial: []string{"a"}, do: reserve(big, 1500, false)},
		{name: "publish out of turn", spec: mixed, initial: []string{"a"}, puts: []string{"x", "y", big}, do: func(v *ring.Port, j *journal) {
			l, err := v.TryReserve(ring.Terms{Size: 1500, Tag: 9, Lent: true})
			if err != nil {
				return
			}
			putAll("x", "y")(v, j)
			copy(v.BlockBytes(l, 1500), big)
			if v.PublishBlock(l, 1500) == nil {
				j.puts++
			}
		}},
		{name: "put a run", spec: small, initial: []string{"a"}, puts: []string{"v", "w", "x"}, do: putRun("v", "w", "x")},
		{name: "put a run that is cut short", spec: small, initial: []string{"a", "b"}, puts: []string{"v", "w"}, do: putRun("v", "w", "x")},
		{name: "get a run", spec: small, initial: []string{"a", "b", "c", "d"}, do: getRun(3), loses: 3},
		{name: "get a run past deliveries", spec: small, initial: []string{"a", "b", "c", "d"}, held: 1, do: getRun(4), loses: 3},
		{name: "shut down", spec: small, initial: []string{"a", "b"}, do: func(v *ring.Port, _ *journal) { v.Shutdown() }},
	}
}

// TestSweepDeath lets the victim die at each of its steps; others go on before,
// between and after the two parts of the repair.
func TestSweepDeath(t *testing.T) {
	for _, a := range acts() {
		for _, lively := range []string{"quiet", "busy"} {
			t.Run(a.name+"/"+lively, func(t *testing.T) {
				for n := 1; ; n++ {
					s := a.begin(t)
					ended := stopAt(n, func() { a.do(s.v, &s.j) })
					if lively == "busy" {
						s.work()
					}
					s.b.core.Repair(object.Dead{Slot: victim})
					if lively == "busy" {
						s.work()
					}
					s.b.core.Repair(object.Dead{Slot: victim, Exited: true})
					delete(s.b.uses, victim)
					s.finish(a, n)
					if ended || t.Failed() {
						break
					}
				}
			})
		}
	}
}

// TestSweepRepair lets the victim die at each step, and those who repair it at
// each of theirs.
func TestSweepRepair(t *testing.T) {
	for _, a := range acts() {
		t.Run(a.name, func(t *testing.T) {
			for n := 1; ; n++ {
				ended := false
				for k := 1; ; k++ {
					s := a.begin(t)
					ended = stopAt(n, func() { a.do(s.v, &s.j) })
					repaired := stopAt(k, func() {
						s.b.core.Repair(object.Dead{Slot: victim})
						s.b.core.Repair(object.Dead{Slot: victim, Exited: true})
					})
					s.work()
					s.b.core.Repair(object.Dead{Slot: third}) // the first repairer is dead, too
					s.b.core.Repair(object.Dead{Slot: third, Exited: true})
					s.b.die(victim)
					s.finish(a, n)
					if repaired || t.Failed() {
						break
					}
					k += k / 16
				}
				if ended || t.Failed() {
					break
				}
				n += n / 16
			}
		})
	}
}

// TestSweepLeave lets the victim's segment be closed at each of its steps. Its
// operations go on to their ends, and give back what they hold.
func TestSweepLeave(t *testing.T) {
	for _, a := range acts() {
		t.Run(a.name, func(t *testing.T) {
			for n := 1; ; n++ {
				s := a.begin(t)
				steps, closed := 0, false
				satomic.SetHook(func() {
					if steps++; steps == n {
						satomic.SetHook(nil)
						closed = true
						s.b.uses[victim].End()
						s.b.core.Leave(victim)
						s.work()
					}
				})
				func() {
					defer func() { _ = recover() }() // must: an operation said that the segment is closed
					a.do(s.v, &s.j)
				}()
				satomic.SetHook(nil)
				s.b.core.Leave(victim) // as at the end of an operation that began before Close
				s.finish(a, n)
				if !closed || t.Failed() {
					break
				}
			}
		})
	}
}

// scene is an act being played.
type scene struct {
	b     *bed
	s, v  *ring.Port
	j     journal
	held  []ring.Message
	extra []string
	out   []string
}

func (a act) begin(t *testing.T) *scene {
	b := newBed(t, a.spec)
	s := &scene{b: b, s: b.port(survivor), v: b.port(victim)}
	mustPut(t, s.s, a.initial...)
	for range a.held {
		m, err := s.s.TryReceive()
		if err != nil {
			t.Fatal(err)
		}
		s.held = append(s.held, m)
	}
	return s
}

// work is what the survivor does while nobody has repaired anything yet.
func (s *scene) work() {
	m := fmt.Sprint("extra", len(s.extra))
	if s.s.TryPut([]byte(m)) == nil {
		s.extra = append(s.extra, m)
	}
	if m, err := get(s.s); err == nil {
		s.out = append(s.out, m)
	}
}

// finish empties the queue and compares the books.
func (s *scene) finish(a act, n int) {
	t := s.b.t
	t.Helper()
	s.b.check()
	for _, m := range s.held {
		s.out = append(s.out, string(s.s.Bytes(m)))
		if err := s.s.Ack(m); err != nil {
			t.Errorf("step %d: ack: %v", n, err)
		}
	}
	for {
		m, err := get(s.s)
		if err != nil {
			break
		}
		s.out = append(s.out, m)
	}
	s.b.checkEmpty()
	all := append(slices.Clone(s.out), s.j.got...)
	lost := 0
	for _, m := range append(slices.Clone(a.initial), s.extra...) {
		switch count(all, m) {
		case 0:
			lost++
		case 1:
		default:
			t.Errorf("step %d: %.20q came twice", n, m)
		}
	}
	if lost > a.loses {
		t.Errorf("step %d: %d messages lost", n, lost)
	}
	s.checkPuts(a, n, all)
	if len(all) > len(a.initial)+len(s.extra)+len(a.puts) {
		t.Errorf("step %d: strange messages: %.20q", n, all)
	}
	if t.Failed() {
		t.Logf("step %d: out %.20q, victim: %d puts, got %.20q\n%s", n, s.out, s.j.puts, s.j.got, s.b.core.Dump())
		return
	}
	if a.name == "shut down" {
		return
	}
	for i := range s.s.Cap() { // no place was lost
		mustPut(t, s.s, fmt.Sprint(i))
	}
	for i := range s.s.Cap() {
		mustGet(t, s.s, fmt.Sprint(i))
	}
}

// checkPuts verifies that what the victim put is there, in order, and at most
// one message that it was about to put.
func (s *scene) checkPuts(a act, n int, all []string) {
	t := s.b.t
	t.Helper()
	last := -1
	for i, m := range a.puts {
		c := count(all, m)
		switch {
		case c > 1:
			t.Errorf("step %d: %.20q came twice", n, m)
		case c == 0 && i < s.j.puts:
			t.Errorf("step %d: %.20q was put and lost", n, m)
		case c == 1 && i > s.j.puts:
			t.Errorf("step %d: %.20q came before its turn", n, m)
		}
		if c == 0 {
			continue
		}
		at := slices.Index(all, m)
		if at < last {
			t.Errorf("step %d: order of puts is lost", n)
		}
		last = at
	}
}

func count(all []string, m string) int {
	n := 0
	for _, x := range all {
		if x == m {
			n++
		}
	}
	return n
}
