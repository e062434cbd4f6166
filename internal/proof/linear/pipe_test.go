//go:build linux

package linear

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/shoal-ipc/shoal/pipe"
	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/value"
)

// Three processes stand in a circle, and each two have a pipe. What happens in
// each of the two directions of each pipe is checked for itself.

// The operations of an end. In: where, see placeOf, and the message. Out: the message.
const (
	send = iota
	recv
	poll
	closeWrite
	closeEnd
	takesPlace // in: which place in the circle the process has
)

var pipeNames = []string{"Send", "Recv", "Poll", "CloseWrite", "Close", "takes place"}

// The codes of a pipe's errors.
const (
	atEnd  = failed + 10 + iota // io.EOF
	cutOff                      // io.ErrUnexpectedEOF
	noPeer                      // io.ErrClosedPipe
	over                        // fs.ErrClosed
)

// endAt is the first input of a call at end 0 or 1 of a pipe.
func endAt(pipe, end int) uint64 { return uint64(pipe)<<1 | uint64(end) }

// pipeSpec has room for few messages, or for half of a long one.
var pipeSpec = pipe.Spec{Buffer: 128, MaxSize: 4096}

// textSize is how long the name of an end may be.
const textSize = 480

type endText struct {
	Length uint64
	Text   [textSize]byte
}

func pipeKind() kind {
	return kind{
		name: "pipe", variants: 2,
		create: createPipes,
		open: func(ctx context.Context, seg *shm.Segment, name string, variant int) (func(*lane) subject, error) {
			c, err := openCircle(ctx, seg, name)
			if variant == 0 {
				return func(l *lane) subject { return &pipeSubject[small]{lane: l, circle: c, pages: smallPages} }, err
			}
			return func(l *lane) subject { return &pipeSubject[large]{lane: l, circle: c, pages: largePages, long: true} }, err
		},
		check: checkPipes,
	}
}

func createPipes(ctx context.Context, seg *shm.Segment, name string, _ int) error {
	if _, err := value.CreateAtomic[uint64](ctx, seg, name+"-turn", 0); err != nil {
		return err
	}
	for i := range childrenAtOnce {
		a, b, err := pipe.Create(ctx, seg, fmt.Sprintf("%s-pipe-%d", name, i), pipeSpec)
		if err != nil {
			return err
		}
		for k, c := range []*pipe.Conn{a, b} {
			text, err := c.MarshalText()
			if err != nil || len(text) > textSize {
				return fmt.Errorf("a name of %d bytes: %w", len(text), err)
			}
			v := endText{Length: uint64(len(text))}
			copy(v.Text[:], text)
			if _, err := value.Create(ctx, seg, fmt.Sprintf("%s-end-%d-%d", name, i, k), v); err != nil {
				return err
			}
		}
	}
	return nil
}

// circle is the place of a process. The leader, who comes last, has none.
type circle struct {
	place int
	ends  []standing
}

// standing is an end of one of the pipes.
type standing struct {
	at   uint64
	conn *pipe.Conn
}

func openCircle(ctx context.Context, seg *shm.Segment, name string) (*circle, error) {
	turn, err := value.OpenAtomic[uint64](ctx, seg, name+"-turn")
	if err != nil {
		return nil, err
	}
	c := &circle{place: int(turn.Add(1)) - 1}
	if c.place >= childrenAtOnce {
		return c, nil
	}
	for end := range 2 {
		i := (c.place + end) % childrenAtOnce
		v, err := value.Open[endText](ctx, seg, fmt.Sprintf("%s-end-%d-%d", name, i, end))
		if err != nil {
			return nil, err
		}
		x := v.Load()
		conn := new(pipe.Conn)
		if err := conn.UnmarshalText(x.Text[:x.Length]); err != nil {
			return nil, err
		}
		c.ends = append(c.ends, standing{endAt(i, end), conn})
	}
	return c, nil
}

// holderOf returns the place of who has an end.
func holderOf(pipe, end int) int { return (pipe - end + childrenAtOnce) % childrenAtOnce }

// wayState is the model of one direction: four flags, and the messages on their
// way, each as wide as wayWidth; one that was cut off is cutMessage.
type wayState string

// The flags.
const (
	noMore  = 1 << iota // the writer has closed its direction, or died
	noEnd               // the writer has closed its end
	noEar               // the reader has closed its end, or died
	headWay = 1

	wayWidth = 8
)

const cutMessage = "\xff\xff\xff\xff\xff\xff\xff\xff"

func (w wayState) is(flag byte) bool        { return w[0]&flag != 0 }
func (w wayState) set(flags byte) wayState  { return wayState([]byte{w[0] | flags}) + w[headWay:] }
func (w wayState) first() string            { return string(w[headWay : headWay+wayWidth]) }
func (w wayState) empty() bool              { return len(w) == headWay }
func (w wayState) isCut() bool              { return strings.HasSuffix(string(w), cutMessage) }
func (w wayState) pop() wayState            { return w[:headWay] + w[headWay+wayWidth:] }
func (w wayState) append(m string) wayState { return w + wayState(m) }

// messageText tells a message from all others of the history.
func messageText(number uint64) string { return fmt.Sprintf("%08x", uint32(number)) }

// way is a direction of a pipe: from one end to the other.
type way struct {
	writer, reader uint64 // the ends
	// The processes that may be theirs: one, or those of which it is not known
	// because they died before they could say so.
	writers, readers []int
	long             bool
}

func checkPipes(h *history) []part {
	var list []part
	for _, w := range waysOf(h) {
		list = append(list, checkWay(h, w))
	}
	return list
}

// waysOf returns both directions of every pipe.
func waysOf(h *history) []*way {
	at := map[int][]int{} // by place: processes
	known := map[int]bool{}
	for i := range h.calls {
		if c := &h.calls[i]; c.op == takesPlace {
			at[int(c.in[0])] = []int{c.proc}
			known[c.proc] = true
		}
	}
	for place := range childrenAtOnce {
		if at[place] != nil {
			continue
		}
		for _, d := range h.deaths {
			if !known[d.proc] {
				at[place] = append(at[place], d.proc)
			}
		}
	}
	var list []*way
	for i := range childrenAtOnce {
		for from := range 2 {
			list = append(list, &way{
				writer: endAt(i, from), reader: endAt(i, 1-from),
				writers: at[holderOf(i, from)], readers: at[holderOf(i, 1-from)],
				long: h.variant == 1,
			})
		}
	}
	return list
}

func checkWay(h *history, w *way) part {
	mine := &history{lanes: h.lanes, deaths: h.deaths}
	for _, c := range h.calls {
		writes := c.in[0] == w.writer && (c.op == send || c.op >= closeWrite)
		reads := c.in[0] == w.reader && (c.op == recv || c.op == poll || c.op == closeEnd)
		if c.op != takesPlace && (writes || reads) {
			mine.calls = append(mine.calls, c)
		}
	}
	sp := spec[wayState]{
		begin: "\x00", next: w.after,
		show: func(s wayState) string { return fmt.Sprintf("%q", string(s)) },
	}
	return part{sp.model(), mine.steps(describePipe, one[*call], one[death])}
}

func describePipe(x step) string {
	if x.call == nil {
		return fmt.Sprintf("death of %d", x.dead)
	}
	text := fmt.Sprintf("%s(%d, %s) by %d", pipeNames[x.op], x.in[0], messageText(x.in[1]), x.proc)
	if x.pending {
		return text + " killed"
	}
	return fmt.Sprintf("%s: %d %s", text, x.code, messageText(x.out[0]))
}

// ends returns which flags a death may set: more than one answer if it is not known
// whose death it was.
func (w *way) ends(proc int) []byte {
	list := []byte{0}
	for flag, procs := range map[byte][]int{noMore: w.writers, noEar: w.readers} {
		if !slices.Contains(procs, proc) {
			continue
		}
		for i, flags := range list {
			list[i] |= flag
			if len(procs) > 1 {
				list = append(list, flags)
			}
		}
	}
	return list
}

// die returns s after a death.
func (w *way) die(s wayState, proc int) []wayState {
	var list []wayState
	for _, flags := range w.ends(proc) {
		list = append(list, s.set(flags))
	}
	return list
}

func (w *way) after(s wayState, x step) []wayState {
	switch {
	case x.call == nil:
		return w.die(s, x.dead)
	case x.code == gaveUp && !x.pending:
		return []wayState{s}
	case x.op == closeWrite:
		return maybe(x, s, s.set(noMore), x.code == done || x.code == over && s.is(noEnd))
	case x.op == closeEnd && x.in[0] == w.writer:
		return maybe(x, s, s.set(noMore|noEnd), x.code == done)
	case x.op == closeEnd:
		return maybe(x, s, s.set(noEar), x.code == done)
	case x.op == send:
		return w.send(s, x)
	case x.op == poll:
		// A long message counts as soon as it begins to come, and may be taken back.
		some := !s.empty() || s.is(noMore) || w.long
		return only(x.pending || x.code == done && some || x.code == over && s.is(noEar), s)
	}
	return w.recv(s, x)
}

// maybe returns next, and for a call that was killed s as well.
func maybe(x step, s, next wayState, ok bool) []wayState {
	if x.pending {
		return []wayState{s, next}
	}
	return only(ok, next)
}

func (w *way) send(s wayState, x step) []wayState {
	open := !s.is(noMore) && !s.is(noEar) && !s.isCut()
	next := s.append(messageText(x.in[1]))
	switch {
	case x.pending && !open:
		return []wayState{s}
	case x.pending && w.long: // a part of it may be there
		return []wayState{s, next, s.append(cutMessage)}
	case x.pending:
		return []wayState{s, next}
	case x.code == noPeer:
		return only(s.is(noMore) || s.is(noEar), s)
	case x.code == over:
		return only(s.is(noEnd), s)
	}
	return only(x.code == done && open, next)
}

func (w *way) recv(s wayState, x step) []wayState {
	switch {
	case x.pending && s.empty():
		return []wayState{s}
	case x.pending:
		return []wayState{s, s.pop()}
	case x.code == atEnd:
		return only(s.empty() && s.is(noMore), s)
	case x.code == over:
		return only(s.is(noEar), s)
	case s.empty() || s.is(noEar):
		return nil
	case x.code == cutOff:
		return only(s.first() == cutMessage, s.pop())
	}
	return only(x.code == done && s.first() == messageText(x.out[0]), s.pop())
}

type pipeSubject[P any] struct {
	*lane
	*circle
	pages pages[P]
	long  bool
	told  bool
	// rash has it close an end before all was read, and say nothing of it: a fault.
	rash bool
}

func (s *pipeSubject[P]) step() error {
	if !s.told {
		s.told = true
		s.do(takesPlace, [2]uint64{uint64(s.place)}, func() result { return result{} })
	}
	e := s.ends[s.rand.IntN(len(s.ends))]
	ctx, cancel := s.briefly()
	defer cancel()
	switch n := s.rand.IntN(24); {
	case n < 11:
		return s.call(send, e, s.fresh(), func(n uint64) (uint64, error) {
			return 0, pipe.Send(ctx, e.conn, s.pages.build(n))
		})
	case n < 21:
		return s.recv(ctx, e)
	case n < 23:
		return s.call(poll, e, 0, func(uint64) (uint64, error) { return 0, e.conn.Poll(ctx) })
	}
	return s.close(e, s.rand.IntN(3) == 0)
}

func (s *pipeSubject[P]) recv(ctx context.Context, e standing) error {
	return s.call(recv, e, 0, func(uint64) (uint64, error) {
		if s.rash {
			_, _ = pipe.Recv[P](ctx, e.conn) // and forgets it
		}
		x, err := pipe.Recv[P](ctx, e.conn)
		n, whole := s.pages.read(&x)
		if err == nil && !whole {
			err = errTorn
		}
		return n, err
	})
}

var errTorn = errors.New("a message is torn")

func (s *pipeSubject[P]) close(e standing, all bool) error {
	if all {
		return s.call(closeEnd, e, 0, func(uint64) (uint64, error) { return 0, e.conn.Close() })
	}
	return s.call(closeWrite, e, 0, func(uint64) (uint64, error) { return 0, e.conn.CloseWrite() })
}

var pipeErrors = []struct {
	err  error
	code uint32
}{
	{io.EOF, atEnd},
	{io.ErrUnexpectedEOF, cutOff},
	{io.ErrClosedPipe, noPeer},
	{fs.ErrClosed, over},
	{context.DeadlineExceeded, gaveUp},
}

func (s *pipeSubject[P]) call(op uint32, e standing, n uint64, f func(uint64) (uint64, error)) error {
	var err error
	s.do(op, [2]uint64{e.at, n}, func() result {
		var out uint64
		if out, err = f(n); err == nil {
			return result{out: [2]uint64{out}}
		}
		for _, x := range pipeErrors {
			if errors.Is(err, x.err) {
				err = nil
				return result{code: x.code}
			}
		}
		return result{code: torn}
	})
	return err
}

// finish says that no more will come, and reads what has come until its end.
func (s *pipeSubject[P]) finish() error {
	var errs []error
	for _, e := range s.ends {
		errs = append(errs, s.close(e, false))
	}
	for _, e := range s.ends {
		for ended := false; !ended && errors.Join(errs...) == nil; {
			at := s.next
			errs = append(errs, s.recv(s.ctx, e))
			ended = s.entries[at].code == atEnd || s.entries[at].code == over
		}
	}
	for _, e := range s.ends {
		errs = append(errs, s.close(e, true))
	}
	return errors.Join(errs...)
}

// audit has nothing to look at: who has an end has read all.
func (s *pipeSubject[P]) audit() error { return nil }

func pipeHistories() []written {
	k := pipeKind()
	to, from := endAt(1, 1), endAt(1, 0) // the pipe of processes 0, at its end 1, and 1
	sent := func(t int64, n uint64) call { return at(0, t, t+1, send, done, numbers{to, n}, numbers{}) }
	got := func(t int64, n uint64) call { return at(1, t, t+1, recv, done, numbers{from, 0}, numbers{n}) }
	ends := func(t int64, code uint32) call { return at(1, t, t+1, recv, code, numbers{from, 0}, numbers{}) }
	places := []call{
		at(0, 0, 0, takesPlace, done, numbers{0}, numbers{}),
		at(1, 0, 0, takesPlace, done, numbers{1}, numbers{}),
		at(2, 0, 0, takesPlace, done, numbers{2}, numbers{}),
	}
	list := []written{
		{"two messages", k, 0, true, []call{sent(1, 7), sent(3, 8), got(5, 7), got(7, 8)}, nil},
		{"a message of a pipe overtakes", k, 0, false, []call{sent(1, 7), sent(3, 8), got(5, 8), got(7, 7)}, nil},
		{"a message of a pipe comes twice", k, 0, false, []call{sent(1, 7), got(5, 7), got(7, 7)}, nil},
		{"a message comes before it is sent", k, 0, false, []call{sent(5, 7), got(1, 7)}, nil},
		{"the end comes before the last message", k, 0, false, []call{
			sent(1, 7), at(0, 3, 4, closeWrite, done, numbers{to}, numbers{}), ends(5, atEnd),
		}, nil},
		{"the end comes while the writer lives", k, 0, false, []call{sent(1, 7), got(3, 7), ends(5, atEnd)}, nil},
		{"the end comes after a death", k, 0, true, []call{sent(1, 7), got(3, 7), ends(31, atEnd)}, firstDies()},
		{"a death takes a message with it", k, 0, false, []call{sent(1, 7), ends(31, atEnd)}, firstDies()},
		{"a killed Send comes after the end", k, 0, false, []call{
			killed(0, 10, 30, send, numbers{to, 7}), ends(31, atEnd), got(33, 7),
		}, firstDies()},
		{"a short message is cut off", k, 0, false, []call{killed(0, 10, 30, send, numbers{to, 7}), ends(31, cutOff)}, firstDies()},
		{"a long message is cut off", k, 1, true, []call{
			killed(0, 10, 30, send, numbers{to, 7}), ends(31, cutOff), ends(33, atEnd),
		}, firstDies()},
		{"a message to the dead", k, 0, false, []call{at(1, 31, 32, send, done, numbers{from, 7}, numbers{})}, firstDies()},
		{"no message to the dead", k, 0, true, []call{at(1, 31, 32, send, noPeer, numbers{from, 7}, numbers{})}, firstDies()},
		{"no message to the living", k, 0, false, []call{at(1, 1, 2, send, noPeer, numbers{from, 7}, numbers{})}, firstDies()},
	}
	for i := range list {
		list[i].calls = append(list[i].calls, places...)
	}
	return list
}
