//go:build linux

package linear

import (
	"fmt"
	"slices"
	"strings"
)

// A history of bytes is checked in parts: each direction of a pipe for itself, and
// each deadline. So the states are small, and few calls meet in one of them.

func checkBytes(h *history) []part {
	var list []part
	for _, w := range waysOf(h) {
		list = append(list, checkStream(h, w))
	}
	deadlines := map[uint64]*history{}
	for _, c := range h.calls {
		key := connOf(&c) << 1
		switch c.op {
		case write, limitWrites:
			key++
		case read, poll, limitReads:
		default:
			continue
		}
		if deadlines[key] == nil {
			deadlines[key] = new(history)
		}
		deadlines[key].calls = append(deadlines[key].calls, c)
	}
	sp := spec[deadline]{next: deadline.after}
	for _, d := range deadlines {
		list = append(list, part{sp.model(), d.steps(describeStream, one[*call], one[death])})
	}
	return list
}

func describeStream(x step) string {
	if x.call == nil {
		return fmt.Sprintf("death of %d", x.dead)
	}
	text := fmt.Sprintf("%s(%#x, %d) by %d", streamNames[x.op], connOf(x.call), max(uint64(lengthOf(x.call)), x.in[1]), x.proc)
	if x.op == write {
		text += fmt.Sprintf(" of %x, part %d", x.in[1], x.part)
	}
	if x.pending {
		return text + " killed"
	}
	return fmt.Sprintf("%s: %d %d", text, x.code, x.out[0])
}

// deadline is the model of one.
type deadline struct {
	passed bool
	at     uint64 // when it passes; never: it does not
}

// after is what d is after x, which is a call that it bounds, or that sets it. To
// look at it is what a call begins with, whatever it finds behind that; so it is
// an operation of its own.
func (d deadline) after(x step) []deadline {
	switch {
	case x.op == limitReads || x.op == limitWrites:
		next := deadline{x.in[1] == atOnce, x.in[1]}
		if x.pending {
			return []deadline{d, next}
		}
		if x.code == over {
			return []deadline{d}
		}
		return only(x.code == done, next)
	case x.pending || x.code == over:
		return []deadline{d}
	case x.code == gaveUp && !d.passed:
		d.passed = d.at > atOnce && uint64(x.end) >= d.at
		return only(d.passed, d)
	}
	return only(d.passed == (x.code == gaveUp), d)
}

// stream is the model of a direction. A Write adds all its bytes at the moment at
// which the first of them comes, and is in the middle until its end: nobody reads
// more than there is.
type stream struct {
	flags  byte
	unread string // what was written and not read
	middle uint64 // the Write that has begun and not ended
	loose  int    // how many bytes at the end of unread are perhaps not there: a killed Write's
	gone   int    // how many at its beginning are perhaps not there: a killed Read's
	// Of the slack bytes of unread before slackEnd some last ones are not there, though
	// others may be behind them: a killed Write's that had given up before.
	slack, slackEnd int
}

// cutWrite is in the middle for ever: its process was killed there.
const cutWrite = ^uint64(0)

func (s stream) is(flag byte) bool { return s.flags&flag != 0 }
func (s stream) open() bool        { return !s.is(noMore) && !s.is(noEar) }
func (s stream) fits() bool        { return len(s.unread)-s.gone-s.slack <= streamBuffer }

func (s stream) set(flags byte) stream {
	s.flags |= flags
	return s
}

func (s stream) String() string {
	return fmt.Sprintf("flags %b, %d bytes %x, in the middle of %x, %d perhaps not written, %d perhaps read",
		s.flags, len(s.unread), s.unread[:min(len(s.unread), 16)], s.middle, s.loose, s.gone)
}

func checkStream(h *history, w *way) part {
	mine := &history{lanes: h.lanes, deaths: h.deaths}
	for _, c := range h.calls {
		var concerns bool
		switch c.op {
		case write, closeWrite:
			concerns = endOf(&c) == w.writer
		case read, poll:
			concerns = endOf(&c) == w.reader
		case closeEnd:
			concerns = endOf(&c) == w.writer || endOf(&c) == w.reader
		}
		if concerns {
			mine.calls = append(mine.calls, c)
		}
	}
	late := map[*call]bool{}
	for i := range mine.calls {
		late[&mine.calls[i]] = h.mayBeLate(&mine.calls[i])
	}
	sp := spec[stream]{
		next: func(s stream, x step) []stream {
			list := s.after(w, x)
			if late[x.call] {
				list = append(list, s.gaveUpWrite(x)...)
			}
			return list
		},
		show: stream.String,
	}
	return part{sp.model(), mine.steps(describeStream, streamSteps, one[death])}
}

// mayBeLate reports whether c is a Write of a killed process that may have given up
// before, with a part written, and was not heard of any more: its deadline passes.
func (h *history) mayBeLate(c *call) bool {
	if c.op != write || !c.pending {
		return false
	}
	var set []*call
	for i := range h.calls {
		if l := &h.calls[i]; l.op == limitWrites && connOf(l) == connOf(c) {
			set = append(set, l)
		}
	}
	return slices.ContainsFunc(set, func(l *call) bool {
		replaced := slices.ContainsFunc(set, func(other *call) bool { return other.begin > l.end && other.end < c.begin })
		return l.in[1] != never && l.in[1] <= uint64(c.end) && l.begin < c.end && !replaced
	})
}

// streamSteps is two for a Write that has a beginning and an end; and for answers of
// which one half is about this end, and the other about the other end. A Write that
// gave up with a part written says that the end is closed if that is so by then, and
// others may have written in between: that is a third one.
func streamSteps(c *call) int {
	if !c.pending && c.op == write && c.out[0] > 0 && c.code == over {
		return 3
	}
	if !c.pending && (c.op == write && c.out[0] > 0 || c.code == noPeer || c.code == atEnd) {
		return 2
	}
	return 1
}

func (s stream) after(w *way, x step) []stream {
	switch {
	case x.call == nil:
		var list []stream
		for _, flags := range w.ends(x.dead) {
			list = append(list, s.set(flags))
		}
		return list
	case x.op == closeWrite && x.code == over:
		return only(s.is(noEnd), s)
	case x.op == closeWrite:
		return maybeStream(x, s, s.set(noMore), !s.is(noEnd))
	case x.op == closeEnd && endOf(x.call) == w.writer:
		return maybeStream(x, s, s.set(noMore|noEnd), true)
	case x.op == closeEnd:
		return maybeStream(x, s, s.set(noEar), true)
	case x.op == write && x.pending:
		return s.killedWrite(x)
	case x.op == write:
		return s.write(x)
	case x.op != write && x.code == gaveUp && !x.pending:
		return only(!s.is(noEar) && x.out[0] == 0, s)
	case x.op == read && x.pending:
		some := s
		some.gone = min(len(s.unread), s.gone+int(x.in[1]))
		return []stream{s, some}
	case x.op == read:
		return s.read(x)
	}
	return only(x.pending || x.code == over && s.is(noEar) || x.code == done && !s.is(noEar) && (len(s.unread) > 0 || s.is(noMore)), s)
}

func maybeStream(x step, s, next stream, ok bool) []stream {
	if x.pending {
		return []stream{s, next}
	}
	return only(ok && x.code == done, next)
}

func (s stream) add(number uint64, n int) stream {
	s.unread += string(bytesOf(number, lengthOfAll)[:n])
	s.middle = number
	return s
}

// lengthOfAll is more than any Write has.
const lengthOfAll = 4 * streamBuffer

func (s stream) write(x step) []stream {
	n, length := int(x.out[0]), lengthOf(x.call)
	switch {
	case n > length || (n == length) != (x.code == done) && length > 0:
		return nil
	case x.part == 0 && n > 0:
		return only(s.middle == 0 && s.open(), s.add(x.in[1], n))
	case x.part == 0 && x.code == noPeer:
		return only(!s.is(noEnd), s)
	case x.part == 2:
		return only(s.is(noEnd), s)
	case n > 0 && (s.middle != x.in[1] || !s.fits()):
		return nil
	case n > 0:
		s.middle = 0
	}
	if n > 0 && x.code == over {
		return []stream{s}
	}
	switch x.code {
	case done:
		return only(s.open(), s)
	case noPeer:
		return only(!s.open(), s)
	case over:
		return only(s.is(noEnd), s)
	}
	return only(x.code == gaveUp && !s.is(noEnd), s)
}

// killedWrite wrote nothing, or all before others, or as the last one a first part.
func (s stream) killedWrite(x step) []stream {
	n := lengthOf(x.call)
	if !s.open() || s.middle != 0 || n == 0 {
		return []stream{s}
	}
	all, some := s.add(x.in[1], n), s.add(x.in[1], n)
	all.middle, some.middle, some.loose = 0, cutWrite, n
	return []stream{s, all, some}
}

// gaveUpWrite wrote a first part and was over: others may come behind it. Two of them
// are as many as a process has goroutines, and the second is the last one anyway.
func (s stream) gaveUpWrite(x step) []stream {
	n := lengthOf(x.call)
	if !s.open() || s.middle != 0 || s.slack > 0 || n < 2 {
		return nil
	}
	next := s.add(x.in[1], n)
	next.middle, next.slack, next.slackEnd = 0, n-1, len(next.unread)
	return []stream{next}
}

func (s stream) read(x step) []stream {
	n := int(x.out[0])
	switch {
	case x.code == over && n == 0:
		return only(s.is(noEar), s)
	case x.code == atEnd && n == 0 && x.part == 0:
		return only(!s.is(noEar), s)
	case x.code == atEnd && n == 0:
		ok := s.is(noMore) && len(s.unread) <= s.loose+s.gone+s.slack
		s = s.drop(len(s.unread))
		s.gone = 0
		return only(ok, s)
	case x.code != done || s.is(noEar) || n > int(x.in[1]) || n == 0 && x.in[1] > 0:
		return nil
	}
	for first := range s.gone + 1 {
		if next, ok := s.take(first, n, x.out[1]); ok {
			return []stream{next}
		}
	}
	return nil
}

// take is s without its first bytes and the n that follow them, if these are the ones
// that were read.
func (s stream) take(first, n int, sum uint64) (stream, bool) {
	if first > len(s.unread) {
		return s, false
	}
	s = s.drop(first)
	s.gone = 0
	if len(s.unread) >= n && sumOf(s.unread[:n]) == sum {
		return s.drop(n), true
	}
	for from := s.slackEnd - s.slack; from < min(n, s.slackEnd); from++ {
		short := s
		short.unread = s.unread[:from] + s.unread[s.slackEnd:]
		short.slack, short.slackEnd = 0, 0
		if len(short.unread) >= n && sumOf(short.unread[:n]) == sum {
			return short.drop(n), true
		}
	}
	return s, false
}

// drop is s without its first n bytes.
func (s stream) drop(n int) stream {
	s.unread = strings.Clone(s.unread[n:])
	s.loose = min(s.loose, len(s.unread))
	s.slackEnd = max(s.slackEnd-n, 0)
	s.slack = min(s.slack, s.slackEnd)
	return s
}
