//go:build linux

package linear

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/shoal-ipc/shoal/queue"
	"github.com/shoal-ipc/shoal/shm"
)

// The operations of a queue. In: the message; out: the message, and how often it
// was handed out.
const (
	put = iota
	tryPut
	get
	tryGet
	receive // also TryReceive
	ack
	nack
)

var queueNames = []string{"Put", "TryPut", "Get", "TryGet", "Receive", "Ack", "Nack"}

func capacity(variant int) int { return []int{1, 2, 4}[variant] }

func queueKind() kind {
	return kind{
		name: "queue", variants: 3,
		create: func(ctx context.Context, seg *shm.Segment, name string, variant int) error {
			_, err := queue.Create[small](ctx, seg, name, queue.Spec{Cap: capacity(variant)})
			return err
		},
		open: func(ctx context.Context, seg *shm.Segment, name string, _ int) (func(*lane) subject, error) {
			q, err := queue.Open[small](ctx, seg, name)
			return func(l *lane) subject { return &queueSubject{lane: l, q: q} }, err
		},
		check: checkQueue,
	}
}

// queueState is the model of a queue: four characters for each message, see the
// fields of message.
type queueState string

// message is what the model knows of a message of the history.
type message struct {
	state byte // see below
	tries byte // how often it was handed out
	owner byte // process that holds it, or was killed putting it; lane that gives it back
}

const messageWidth = 3

// The states of a message.
const (
	absent  = '.'
	claimed = 'c' // being put: it may be taken, but need not be seen
	waiting = 'w' // put
	held    = 'h' // lent to a process, or about to be taken by one
	offered = 'o' // being given back: it may be taken, but need not be seen
	late    = 'l' // given back: it comes first
	gone    = 'x'
)

func (q queueState) at(i int) message {
	return message{q[messageWidth*i], q[messageWidth*i+1], q[messageWidth*i+2]}
}

func (q queueState) with(i int, m message) queueState {
	b := []byte(q)
	copy(b[messageWidth*i:], []byte{m.state, m.tries, m.owner})
	return queueState(b)
}

// is returns q with message i in another state.
func (q queueState) is(i int, state byte) queueState {
	m := q.at(i)
	m.state = state
	return q.with(i, m)
}

func (q queueState) count(states string) int {
	n := 0
	for i := range len(q) / messageWidth {
		if strings.IndexByte(states, q[messageWidth*i]) >= 0 {
			n++
		}
	}
	return n
}

// queueModel knows the messages of a history by number.
type queueModel struct {
	number map[uint64]int
	before []int // the message that the same lane put before, or -1
	rivals []int // how many others were being put at some time while it was
	dead   int   // at this place of the state are the dead, as a message's state
	cap    int
}

func newQueueModel(h *history) *queueModel {
	m := &queueModel{number: map[uint64]int{}, cap: capacity(h.variant)}
	last := map[int]int{}
	for i := range h.calls {
		c := &h.calls[i]
		if c.op > tryPut || !c.pending && c.code != done {
			continue
		}
		n := len(m.before)
		m.number[c.in[0]] = n
		if before, ok := last[c.lane]; ok {
			m.before = append(m.before, before)
		} else {
			m.before = append(m.before, -1)
		}
		last[c.lane] = n
		m.rivals = append(m.rivals, rivals(h, c))
	}
	m.dead = len(m.before)
	return m
}

// rivals returns how many puts were under way at some time while c was. Among
// those that put at once each may find the last place: Cap is exact for those
// that put one after the other.
func rivals(h *history, c *call) int {
	n := 0
	for i := range h.calls {
		if d := &h.calls[i]; d != c && d.op <= tryPut && c.begin <= d.end && d.begin <= c.end {
			n++
		}
	}
	return n
}

// room says whether message i may be put now.
func (m *queueModel) room(q queueState, i int) bool { return q.count("cwhol") < m.cap+m.rivals[i] }

// checkQueue is the model of a queue. What one lane puts is taken in that order;
// what was given back, by Nack or by a death, comes before what was not handed
// out yet. A put and a Nack have two steps: from the first on the message may be
// taken, from the second on it must be seen. A death gives back what was held,
// one after the other, and at last all of it must be seen.
func checkQueue(h *history) []part {
	m := newQueueModel(h)
	sp := spec[queueState]{
		begin: queueState(strings.Repeat(".0.", m.dead) + "\x00.."),
		next:  m.after,
		show:  func(q queueState) string { return string(q[:messageWidth*m.dead]) },
	}
	parts := func(c *call) int {
		if c.code == done && (c.op <= tryPut || c.op == nack) {
			return 2
		}
		return 1
	}
	// A dead process can have held what its lanes received, and what they were about to take.
	holds := func(d death) int {
		n := 1
		for i := range h.calls {
			c := &h.calls[i]
			if c.proc == d.proc && (c.op == receive && c.code == done || c.op >= get && c.pending) {
				n++
			}
		}
		return n
	}
	return []part{{sp.model(), h.steps(describeQueue, parts, holds)}}
}

func describeQueue(x step) string {
	if x.call == nil {
		return fmt.Sprintf("death of %d, step %d", x.dead, x.part)
	}
	text := fmt.Sprintf("%s(%#x) by %d", queueNames[x.op], x.in[0], x.proc)
	if x.pending {
		return text + " killed"
	}
	return fmt.Sprintf("%s: %d %#x %d, step %d", text, x.code, x.out[0], x.out[1], x.part)
}

func (m *queueModel) after(q queueState, x step) []queueState {
	if x.call == nil {
		return m.die(q, x)
	}
	if x.pending {
		list := []queueState{q}
		if q.at(m.dead).state&(1<<x.proc) == 0 {
			list = append(list, m.pending(q, x)...)
		}
		return list
	}
	switch x.op {
	case put, tryPut:
		return m.put(q, x)
	case get, tryGet, receive:
		return m.take(q, x)
	}
	return m.settle(q, x)
}

func (m *queueModel) put(q queueState, x step) []queueState {
	switch x.code {
	case gaveUp:
		return []queueState{q}
	case refused: // the room is counted exactly only at rest
		return only(x.crowded || q.count("cwhol") >= m.cap, q)
	}
	i := m.number[x.in[0]]
	switch {
	case x.part == 0:
		return only(q.at(i).state == absent && m.room(q, i), q.is(i, claimed))
	case q.at(i).state == claimed:
		return []queueState{q.is(i, waiting)}
	}
	return only(q.at(i).state != absent, q) // taken meanwhile
}

// takeable says whether message i may be the next one.
func (m *queueModel) takeable(q queueState, i int) bool {
	switch q.at(i).state {
	case late, offered:
		return true
	case claimed, waiting:
		b := m.before[i]
		return q.count("l") == 0 && (b < 0 || strings.IndexByte("cw", q.at(b).state) < 0)
	}
	return false
}

// handOut is q with message i taken by x.
func (q queueState) handOut(i int, state byte, proc int) queueState {
	return q.with(i, message{state, q.at(i).tries + 1, byte('0' + proc)})
}

func (m *queueModel) take(q queueState, x step) []queueState {
	switch x.code {
	case gaveUp:
		return []queueState{q}
	case refused: // what is being put may hold up what was put after it
		return only(q.count("c") > 0 || q.count("wl") == 0, q)
	case torn:
		return nil
	}
	i, known := m.number[x.out[0]]
	if !known || !m.takeable(q, i) {
		return nil
	}
	if x.op != receive {
		return []queueState{q.handOut(i, gone, x.proc)}
	}
	n := q.handOut(i, held, x.proc)
	return only(uint64(n.at(i).tries-'0') == x.out[1], n)
}

// settle is Ack and Nack.
func (m *queueModel) settle(q queueState, x step) []queueState {
	i, known := m.number[x.in[0]]
	if !known {
		return nil
	}
	now := q.at(i)
	mine := now.state == held && now.owner == byte('0'+x.proc)
	switch {
	case x.op == ack:
		return only(mine && x.code == done, q.is(i, gone))
	case x.part == 0:
		return only(mine, q.with(i, message{offered, now.tries, byte('A' + x.lane)}))
	case now.state == offered && now.owner == byte('A'+x.lane):
		return []queueState{q.is(i, late)}
	}
	return []queueState{q} // taken meanwhile
}

// pending is what x may have done before its process was killed.
func (m *queueModel) pending(q queueState, x step) []queueState {
	switch x.op {
	case put, tryPut:
		i := m.number[x.in[0]]
		return only(m.room(q, i), q.with(i, message{claimed, '0', byte('0' + x.proc)}))
	case ack, nack:
		i := m.number[x.in[0]]
		now := q.at(i)
		if now.state != held || now.owner != byte('0'+x.proc) {
			return nil
		}
		if x.op == ack {
			return []queueState{q.is(i, gone)}
		}
		return []queueState{q.is(i, late), q.with(i, message{offered, now.tries, byte('0' + x.proc)})}
	}
	var list []queueState
	for i := range m.dead {
		if m.takeable(q, i) {
			list = append(list, q.handOut(i, held, x.proc))
			if x.op != receive {
				list = append(list, q.handOut(i, gone, x.proc))
			}
		}
	}
	return list
}

// die is a step of a death: the last one is its end, the others each give back
// one message, or nothing. What the dead one was putting is put, or is not.
func (m *queueModel) die(q queueState, x step) []queueState {
	var list []queueState
	if x.part > 0 {
		list = append(list, q)
		for i := range m.dead {
			if now := q.at(i); now.state == held && now.owner == byte('0'+x.dead) {
				list = append(list, q.with(i, message{offered, now.tries, now.owner}))
			}
		}
		return list
	}
	d := q.at(m.dead)
	d.state |= 1 << x.dead
	list = append(list, q.with(m.dead, d))
	for i := range m.dead {
		now := q.at(i)
		if now.owner != byte('0'+x.dead) {
			continue
		}
		switch now.state {
		case held:
			return nil
		case offered:
			for k := range list {
				list[k] = list[k].is(i, late)
			}
		case claimed: // it was put, or not
			for k := range list {
				list = append(list, list[k].is(i, absent))
				list[k] = list[k].is(i, waiting)
			}
		}
	}
	return list
}

type queueSubject struct {
	*lane
	q    *queue.Queue[small]
	held []queue.Delivery[small]
	// fault is one of a broken queue, or 0.
	fault int
}

func (s *queueSubject) step() error {
	switch n := s.rand.IntN(16); {
	case len(s.held) > 0 && n < 6:
		return s.settle(n < 4)
	case n < 4:
		return s.put(tryPut, s.q.TryPut)
	case n < 7:
		ctx, cancel := s.briefly()
		defer cancel()
		return s.put(put, func(p small) error { return s.q.Put(ctx, p) })
	case n < 9:
		return s.get(tryGet, s.q.TryGet)
	case n < 12:
		ctx, cancel := s.briefly()
		defer cancel()
		return s.get(get, func() (small, error) { return s.q.Get(ctx) })
	case n < 14:
		return s.receive(s.q.TryReceive)
	}
	ctx, cancel := s.briefly()
	defer cancel()
	return s.receive(func() (queue.Delivery[small], error) { return s.q.Receive(ctx) })
}

// end returns what is written down of an operation that returned err.
func end(err error, out [2]uint64) (result, error) {
	switch {
	case err == nil:
		return result{out: out}, nil
	case errors.Is(err, queue.ErrFull), errors.Is(err, queue.ErrEmpty):
		return result{code: refused}, nil
	case errors.Is(err, context.DeadlineExceeded):
		return result{code: gaveUp}, nil
	}
	return result{code: torn}, err
}

func (s *queueSubject) put(op uint32, f func(small) error) (err error) {
	n := s.fresh()
	s.do(op, [2]uint64{n}, func() (r result) {
		r, err = end(f(smallPages.build(n)), [2]uint64{})
		return r
	})
	return err
}

// contents returns what a message of the given attempt is written down as.
func contents(p *small, attempt int) [2]uint64 {
	n, whole := smallPages.read(p)
	if !whole {
		n = 0 // nobody puts it
	}
	return [2]uint64{n, uint64(attempt)}
}

func (s *queueSubject) get(op uint32, f func() (small, error)) (err error) {
	s.do(op, [2]uint64{}, func() (r result) {
		p, failure := s.spoiltGet(f)
		r, err = end(failure, contents(&p, 0))
		return r
	})
	return err
}

func (s *queueSubject) receive(f func() (queue.Delivery[small], error)) (err error) {
	s.do(receive, [2]uint64{}, func() result {
		d, failure := f()
		if failure != nil {
			var r result
			r, err = end(failure, [2]uint64{})
			return r
		}
		s.held = append(s.held, d)
		return result{out: contents(d.Value(), d.Attempt())}
	})
	return err
}

// settle ends one delivery, or gives it back.
func (s *queueSubject) settle(good bool) (err error) {
	i := s.rand.IntN(len(s.held))
	d := s.held[i]
	s.held = append(s.held[:i], s.held[i+1:]...)
	in := contents(d.Value(), 0)
	if good {
		s.do(ack, in, func() (r result) {
			r, err = end(d.Ack(), [2]uint64{})
			return r
		})
		return err
	}
	s.do(nack, in, func() result {
		d.Nack()
		return result{}
	})
	return nil
}

func (s *queueSubject) finish() error {
	for len(s.held) > 0 {
		if err := s.settle(s.rand.IntN(4) > 0); err != nil {
			return err
		}
	}
	return nil
}

// audit takes all there is.
func (s *queueSubject) audit() error {
	for {
		at := s.next
		if err := s.get(tryGet, s.q.TryGet); err != nil {
			return err
		}
		if s.entries[at].code == refused {
			return nil
		}
	}
}
