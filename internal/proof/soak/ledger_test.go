//go:build linux

package soak

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
)

// ledger is what the children have written down of one queue, put together.
type ledger struct {
	puts     map[uint32]map[uint32]byte // by stream and number: the last record
	handed   []handing
	deaths   int // of consumers
	excused  int // messages that may be gone with a dead consumer
	missing  int
	late     int // messages that came after later ones, for a reason
	doubtful int // acknowledgements that a death interrupted
}

// handing is that a consumer was given a message.
type handing struct {
	stream, seq uint32
	began, came int64
	attempt     int  // 0: not known
	final       int  // when it was settled for good
	doubt       bool // it may have been
	nacked      bool
	ended       int64
}

// readLedger reads the journals of one queue. Of those who got from it, so many
// died or closed it.
func readLedger(dir string, deaths int) (*ledger, error) {
	l := &ledger{puts: map[uint32]map[uint32]byte{}, deaths: deaths}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		role, _, _ := strings.Cut(e.Name(), "-")
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		if role == producer {
			l.readProducer(parseJournal(b))
		} else {
			l.readConsumer(parseJournal(b))
		}
	}
	return l, nil
}

func (l *ledger) readProducer(list []record) {
	for _, r := range list {
		if l.puts[r.Stream] == nil {
			l.puts[r.Stream] = map[uint32]byte{}
		}
		l.puts[r.Stream][r.Seq] = r.What
	}
}

func (l *ledger) readConsumer(list []record) {
	began, inside := int64(0), 0 // inside: how many it may have taken for good that it did not write down
	held := map[[2]uint32]int{}  // index in handed
	for _, r := range list {
		key := [2]uint32{r.Stream, r.Seq}
		switch r.What {
		case takeBegin:
			began, inside = r.Time, 0
			if r.Attempt == 0 {
				inside = int(r.Seq)
			}
		case takeEnd:
			inside = 0
		case got:
			inside--
			l.handed = append(l.handed, handing{stream: r.Stream, seq: r.Seq, began: began, came: r.Time, final: 1, ended: r.Time})
		case received:
			l.handed = append(l.handed, handing{stream: r.Stream, seq: r.Seq, began: began, came: r.Time, attempt: int(r.Attempt)})
			held[key] = len(l.handed) - 1
		case ackBegins:
			l.handed[held[key]].doubt = true
		case ackDone:
			h := &l.handed[held[key]]
			h.doubt, h.final, h.ended = false, 1, r.Time
		case givesBack:
			l.handed[held[key]].nacked = true
		}
	}
	l.excused += inside
}

// audit verifies that everything that was put was delivered, once for good and
// in order, but for what died. It returns some of what is wrong.
func (l *ledger) audit() error {
	var faults []error
	fault := func(format string, args ...any) {
		if len(faults) < 20 {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	by := map[[2]uint32][]handing{}
	for _, h := range l.handed {
		key := [2]uint32{h.stream, h.seq}
		by[key] = append(by[key], h)
		if h.doubt {
			l.doubtful++
		}
		if what, ok := l.puts[h.stream][h.seq]; !ok || what == putFails {
			fault("message %d of %d was delivered, but its put says %q", h.seq, h.stream, what)
		}
	}
	for stream, puts := range l.puts {
		for seq, what := range puts {
			l.auditMessage(fault, stream, seq, what, by[[2]uint32{stream, seq}])
		}
		l.auditOrder(fault, stream, uint32(len(puts)), by)
	}
	if l.missing > l.excused {
		fault("%d messages are missing, of which %d may have died with their consumers", l.missing, l.excused)
	}
	if most := (l.deaths + 1) * 8; l.late > most {
		fault("%d messages came after later ones, for %d deaths", l.late, l.deaths)
	}
	return errors.Join(faults...)
}

func (l *ledger) auditMessage(fault func(string, ...any), stream, seq uint32, put byte, handed []handing) {
	final, doubt, nacks, end := 0, 0, 0, int64(math.MaxInt64)
	attempts := map[int]bool{}
	for _, h := range handed {
		if final += h.final; h.final > 0 {
			end = h.ended
		}
		if h.doubt {
			doubt++
		}
		if h.nacked {
			nacks++
		}
		if h.attempt > 0 && attempts[h.attempt] {
			fault("message %d of %d was delivered twice as attempt %d", seq, stream, h.attempt)
		}
		attempts[h.attempt] = true
	}
	if final > 1 {
		fault("message %d of %d was taken %d times: %+v", seq, stream, final, handed)
	}
	if put == putDone && final == 0 && doubt == 0 {
		l.missing++
	}
	for _, h := range handed {
		before := 0
		for _, other := range handed {
			if other.came < h.began {
				before++
			}
		}
		if h.began > end {
			fault("message %d of %d came again after its end: %+v", seq, stream, handed)
		}
		if h.attempt > 0 && (h.attempt <= before || h.attempt > 1+nacks+l.deaths) {
			fault("attempt %d of message %d of %d, which was delivered %d times before, given back %d times", h.attempt, seq, stream, before, nacks)
		}
	}
}

// auditOrder verifies that no message of a stream came for the first time when a
// later one had come already. Whether it was the first time is not known of each.
func (l *ledger) auditOrder(fault func(string, ...any), stream, n uint32, by map[[2]uint32][]handing) {
	next, first := int64(math.MaxInt64), uint32(0) // when the first one of the later ones had come
	for seq := n; seq > 0; seq-- {
		handed := by[[2]uint32{stream, seq}]
		for _, h := range handed {
			if h.began <= next {
				continue
			}
			if h.attempt == 1 {
				fault("message %d of %d came for the first time after message %d", seq, stream, first)
			} else if h.attempt == 0 && len(handed) == 1 {
				l.late++
			}
		}
		for _, h := range handed {
			if h.came < next {
				next, first = h.came, seq
			}
		}
	}
}

// settled returns how many messages were taken for good.
func (l *ledger) settled() int {
	final := 0
	for _, h := range l.handed {
		final += h.final
	}
	return final
}
