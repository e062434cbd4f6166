package kv

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"strings"

	"github.com/shoal-ipc/shoal/internal/codec"
	"github.com/shoal-ipc/shoal/internal/handle"
	"github.com/shoal-ipc/shoal/internal/hashmap"
	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
)

// Spec is the geometry of a map. A zero field means the default at creation, and
// "any" at opening.
//
// The memory is taken at creation: for each entry 32 bytes, the key and two copies
// of the value, rounded up to a multiple of 64, and 12 to 20 bytes besides.
type Spec struct {
	// Cap is how many entries fit; default 1024, at most 2^28-1.
	Cap int
	// KeySize is the number of bytes of the longest key; default 64, at most 64 KiB.
	// Keys of fixed layout have their own size, and no other is possible.
	KeySize int
	// ValueSize is the number of bytes of the longest value when it is encoded;
	// default 256, at most 1 GiB. Values of fixed layout have their own size, and no
	// other is possible.
	ValueSize int
}

const (
	defaultCap       = 1024
	defaultKeySize   = 64
	defaultValueSize = 256
)

// sizes are what the types of a map determine; -1 if they differ.
type sizes struct{ key, value int64 }

// geometry returns what s creates.
func (s Spec) geometry(of sizes) (hashmap.Spec, error) {
	g := hashmap.Spec{Cap: int64(s.Cap), Keys: hashmap.Encoded, Values: hashmap.Encoded}
	if g.Cap == 0 {
		g.Cap = defaultCap
	}
	var err error
	if g.KeySize, err = sizeOf("KeySize", s.KeySize, of.key, defaultKeySize); err != nil {
		return g, err
	}
	if g.ValueSize, err = sizeOf("ValueSize", s.ValueSize, of.value, defaultValueSize); err != nil {
		return g, err
	}
	if of.key >= 0 {
		g.Keys = hashmap.Fixed
	}
	if of.value >= 0 {
		g.Values = hashmap.Fixed
	}
	return g, g.Validate()
}

// sizeOf returns the size that is asked for, or the only possible one, or the default.
func sizeOf(field string, asked int, only, orElse int64) (int64, error) {
	switch {
	case only >= 0 && asked != 0 && int64(asked) != only:
		return 0, fmt.Errorf("kv: %s is %d, but the type has %d bytes: %w", field, asked, only, fs.ErrInvalid)
	case only >= 0:
		return only, nil
	case asked == 0:
		return orElse, nil
	}
	return int64(asked), nil
}

// specOf returns the Spec that is stored.
func specOf(g hashmap.Spec) Spec {
	return Spec{Cap: int(g.Cap), KeySize: int(g.KeySize), ValueSize: int(g.ValueSize)}
}

// differs returns the first field of s that is set and not as stored, or nil.
func (s Spec) differs(stored Spec) *object.Mismatch {
	for _, f := range []struct {
		name       string
		have, want int
	}{
		{"Cap", stored.Cap, s.Cap},
		{"KeySize", stored.KeySize, s.KeySize},
		{"ValueSize", stored.ValueSize, s.ValueSize},
	} {
		if f.want != 0 && f.want != f.have {
			return &object.Mismatch{Field: f.name, Have: fmt.Sprint(f.have), Want: fmt.Sprint(f.want)}
		}
	}
	return nil
}

// arrow stands between the key and the value in the stored type; no layout has it.
const arrow = " -> "

// request describes the map that is wanted.
func request(keyName, valueName, name string, spec Spec, g hashmap.Spec) object.Request {
	return object.Request{
		Name: name,
		Kind: hashmap.Kind(),
		Type: keyName + arrow + valueName,
		Spec: g.Pack(),
		Init: func(r mem.Region, _ object.Shape) error { return hashmap.Seed(r, rand.Uint64()) },
		Match: func(typ string, stored object.Spec) *object.Mismatch {
			if d := matchTypes(typ, keyName, valueName); d != nil {
				return d
			}
			have := hashmap.Unpack(stored)
			if have.Keys != g.Keys || have.Values != g.Values {
				return &object.Mismatch{Field: "type", Have: typ, Want: keyName + arrow + valueName}
			}
			return spec.differs(specOf(have))
		},
	}
}

// matchTypes compares the stored types with those of the caller.
func matchTypes(stored, keyName, valueName string) *object.Mismatch {
	key, value, ok := strings.Cut(stored, arrow)
	if !ok || handle.MatchType(key, keyName) != nil || handle.MatchType(value, valueName) != nil {
		_, have, want, _ := mem.Agree(stored, keyName+arrow+valueName)
		return &object.Mismatch{Field: "type", Have: have, Want: want}
	}
	return nil
}

// valueSize returns the size of all values, or -1 if they differ.
func valueSize[V any](c *codec.Codec[V]) int64 {
	if l := c.Layout(); l != nil {
		return l.Size
	}
	return -1
}

// fitting returns a *mem.Corruption if the sizes that are stored with the map are
// not those of its types.
func (of sizes) fitting(g hashmap.Spec) error {
	switch {
	case of.key >= 0 && g.KeySize != of.key:
		return mem.Corrupt("KeySize", -1, g.KeySize, of.key)
	case of.value >= 0 && g.ValueSize != of.value:
		return mem.Corrupt("ValueSize", -1, g.ValueSize, of.value)
	}
	return nil
}
