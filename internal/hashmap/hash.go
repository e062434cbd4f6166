package hashmap

import (
	"encoding/binary"
	"math/bits"
)

// hasher computes the hash of keys. It is part of the layout: every process must
// come to the same. It is one multiplication of 64 by 64 bits for each 16 bytes, and
// one at the end. Both factors depend on a seed, which a map takes by chance: who
// chooses keys can choose neither a bucket nor a factor of zero.
type hasher struct{ a, b uint64 }

const (
	prime0 = 0xa0761d6478bd642f
	prime1 = 0xe7037ed1a0b428db
	prime2 = 0x8ebc6af09c88c6e3
)

func newHasher(seed uint64) hasher {
	return hasher{a: mix(seed^prime0, prime1), b: mix(seed^prime1, prime2)}
}

func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// hash returns the hash of a key.
func (h hasher) hash(key []byte) uint64 {
	x := h.b
	rest := key
	for len(rest) > 16 {
		x = mix(binary.LittleEndian.Uint64(rest)^h.a, binary.LittleEndian.Uint64(rest[8:])^x)
		rest = rest[16:]
	}
	var lo, hi uint64
	switch {
	case len(rest) >= 8:
		lo = binary.LittleEndian.Uint64(rest)
		hi = binary.LittleEndian.Uint64(rest[len(rest)-8:])
	case len(rest) >= 4:
		lo = uint64(binary.LittleEndian.Uint32(rest))
		hi = uint64(binary.LittleEndian.Uint32(rest[len(rest)-4:]))
	case len(rest) > 0:
		lo = uint64(rest[0])<<16 | uint64(rest[len(rest)/2])<<8 | uint64(rest[len(rest)-1])
	}
	return mix(mix(lo^h.a, hi^x)^prime2, uint64(len(key))^h.b)
}

// bucketOf and tagOf take different bits of a hash.
func bucketOf(hash uint64, buckets uint32) uint32 { return uint32(hash) & (buckets - 1) }

func tagOf(hash uint64) uint32 { return uint32(hash >> 32) }
