package hashmap_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"testing"

	"github.com/shoal-ipc/shoal/internal/hashmap"
	"github.com/shoal-ipc/shoal/internal/stage"
)

const slots = 15

// small is a map with long chains for its size.
var small = hashmap.Spec{Cap: 4, KeySize: 4, ValueSize: 16, Keys: hashmap.Encoded, Values: hashmap.Fixed}

// world is a map on the heap with several participants.
type world struct {
	*stage.Stage
	core *hashmap.Core
	spec hashmap.Spec
}

func newWorld(spec hashmap.Spec) world {
	s, err := stage.Build(hashmap.Kind(), spec.Pack(), slots)
	if err != nil {
		panic(err)
	}
	return world{s, s.Core.(*hashmap.Core), spec} //nolint:errcheck // its own kind
}

// party is one participant.
type party struct {
	*hashmap.Map
	stage.Party
}

func (w world) join(slot uint32) party {
	p := w.Join(slot)
	m, err := hashmap.New(p.Use, p.Obj)
	if err != nil {
		panic(err)
	}
	return party{m, p}
}

// inChain returns n keys of one chain, and other keys that are not in it.
func (w world) inChain(n int) (same, others []string) {
	for i := 0; len(same) < n || len(others) < n; i++ {
		key := fmt.Sprintf("k%d", i)
		if w.core.BucketOf(key) == 1 {
			same = append(same, key)
		} else {
			others = append(others, key)
		}
	}
	return same[:n], others[:n]
}

// value is one whose words are equal, unless it is torn.
func (w world) value(n uint64) []byte {
	return bytes.Repeat(binary.LittleEndian.AppendUint64(nil, n), int(w.spec.ValueSize)/8)
}

var errTorn = errors.New("a value is torn")

func number(b []byte) (uint64, error) {
	n := binary.LittleEndian.Uint64(b)
	for ; len(b) >= 8; b = b[8:] {
		if binary.LittleEndian.Uint64(b) != n {
			return n, errTorn
		}
	}
	return n, nil
}

func (w world) store(p party, key string, n uint64) error {
	return p.Store(context.Background(), []byte(key), w.value(n))
}

func (w world) delete(p party, key string) error { return p.Delete(context.Background(), []byte(key)) }

// add adds to the value of a key, which is 0 if it is not there.
func (w world) add(p party, key string, n uint64) error {
	e, err := p.Enter(context.Background(), []byte(key))
	if err != nil {
		return err
	}
	defer e.Leave()
	x := uint64(0)
	if e.Found() {
		b := make([]byte, w.spec.ValueSize)
		if _, err := e.Load(b); err != nil {
			return err
		}
		if x, err = number(b); err != nil {
			return err
		}
	}
	return e.Store(w.value(x + n))
}

// load returns the value of a key, 0 if it is not there.
func (w world) load(p party, key string) (uint64, error) {
	b := make([]byte, w.spec.ValueSize)
	_, err := p.Load([]byte(key), b)
	if err == hashmap.ErrNotFound { //nolint:errorlint // that very one
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return number(b)
}

// all returns what an iteration comes by.
func (w world) all(p party) (map[string]uint64, error) {
	list := map[string]uint64{}
	var c hashmap.Chain
	for b := range p.Buckets() {
		if err := p.Collect(b, &c); err != nil {
			return nil, err
		}
		for i := range c.Len() {
			key, value := c.At(i)
			n, err := number(value)
			if err != nil {
				return nil, err
			}
			if _, twice := list[string(key)]; twice {
				return nil, fmt.Errorf("key %s twice", key)
			}
			list[string(key)] = n
		}
	}
	return list, nil
}

// is returns what is wrong if the map does not have these entries.
func (w world) is(p party, want map[string]uint64) error {
	got, err := w.all(p)
	if err != nil {
		return err
	}
	if !maps.Equal(got, want) {
		return fmt.Errorf("the map is %v, want %v", got, want)
	}
	for key, n := range want {
		if x, err := w.load(p, key); x != n || err != nil {
			return fmt.Errorf("key %s is %d, %w, want %d", key, x, err, n)
		}
	}
	if p.Len() != len(want) {
		return fmt.Errorf("%d entries by Len, want %d", p.Len(), len(want))
	}
	return w.Faults()
}

// fill adds as many keys as there is room for, and takes them out again.
func (w world) fill(tb testing.TB, p party) {
	tb.Helper()
	free := int(w.spec.Cap) - p.Len()
	for i := range free + 1 {
		err := w.store(p, fmt.Sprintf("f%d", i), 1)
		if (err == nil) != (i < free) {
			tb.Fatalf("entry %d of %d that are free: %v", i, free, err)
		}
	}
	for i := range free {
		stage.Want(tb, "Delete", w.delete(p, fmt.Sprintf("f%d", i)), nil)
	}
	w.Check(tb)
}
