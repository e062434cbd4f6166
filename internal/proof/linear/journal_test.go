//go:build linux

package linear

import (
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shoal-ipc/shoal/internal/mem"
)

// A lane is a goroutine of a child. It writes down what it does in a file that it
// alone writes, in shared pages, so that all of it is there when it is killed.

// entry is one operation. It is called before it begins and returned after its end,
// so an operation that is called and not returned may have taken effect or not.
type entry struct {
	state atomic.Uint32 // none, called, returned
	op    uint32
	code  uint32
	round uint32
	in    [2]uint64
	out   [2]uint64
	begin int64 // nanoseconds of the monotonic clock, which all processes share
	end   int64
}

const (
	none = iota
	called
	returned
)

// The codes of an end.
const (
	done     = iota
	refused  // a Try method said that it would have to wait
	gaveUp   // the context ended
	poisoned // lock.ErrPoisoned
	notMine  // what was to be given back is not held
	torn     // a value that nobody stored
	failed   // the function of an Update failed, as it was told to
)

const (
	entrySize      = 64
	entriesInFile  = 4096
	journalPattern = "lane-%d"
)

// journal is the file of a lane, mapped.
type journal struct {
	entries []entry
	next    int
	round   uint32
}

func openJournal(dir string, lane int) (*journal, error) {
	f, err := os.OpenFile(filepath.Join(dir, fmt.Sprintf(journalPattern, lane)), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := f.Truncate(entriesInFile * entrySize); err != nil {
		return nil, err
	}
	b, err := unix.Mmap(int(f.Fd()), 0, entriesInFile*entrySize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	list, err := mem.Slice[entry](mem.FromBytes(b), 0, entriesInFile)
	return &journal{entries: list}, err
}

// now is a time that all processes agree about.
func now() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic(err)
	}
	return t.Nano()
}

// result is what an operation returned.
type result struct {
	code uint32
	out  [2]uint64
}

// do writes f down as the operation op.
func (j *journal) do(op uint32, in [2]uint64, f func() result) result {
	e := &j.entries[j.next]
	j.next++
	e.op, e.in, e.round = op, in, j.round
	e.begin = now()
	e.state.Store(called)
	r := f()
	e.code, e.out = r.code, r.out
	e.end = now()
	e.state.Store(returned)
	return r
}

// call is an operation of a history.
type call struct {
	op, code   uint32
	in, out    [2]uint64
	begin, end int64
	lane       int // of the history
	proc       int // of the history
	pending    bool
	crowded    bool // another operation was under way at some time of it
}

// read returns what the journal has of a round, from entry at on, and where it ends.
func (j *journal) read(at int, round uint32) ([]call, int) {
	var list []call
	for ; at < len(j.entries); at++ {
		e := &j.entries[at]
		state := e.state.Load()
		if state == none || e.round != round {
			break
		}
		c := call{op: e.op, in: e.in, begin: e.begin, pending: state == called}
		if !c.pending {
			c.code, c.out, c.end = e.code, e.out, e.end
		}
		list = append(list, c)
	}
	return list, at
}

func TestJournal(t *testing.T) {
	dir := t.TempDir()
	j, err := openJournal(dir, 3)
	if err != nil {
		t.Fatal(err)
	}
	j.round = 1
	j.do(7, [2]uint64{1, 2}, func() result { return result{refused, [2]uint64{3, 4}} })
	j.round = 2
	j.do(8, [2]uint64{}, func() result {
		other, err := openJournal(dir, 3)
		if err != nil {
			t.Fatal(err)
		}
		first, next := other.read(0, 1)
		if len(first) != 1 || first[0].op != 7 || first[0].code != refused || first[0].out != [2]uint64{3, 4} || first[0].pending {
			t.Errorf("the first round is %+v", first)
		}
		second, _ := other.read(next, 2)
		if len(second) != 1 || second[0].op != 8 || !second[0].pending || second[0].begin < first[0].end {
			t.Errorf("the second round is %+v", second)
		}
		return result{}
	})
}
