package shm

import (
	"io/fs"
	"time"
)

// Lifetime says when a named segment goes away.
type Lifetime uint8

const (
	// LastUser segments go when the last process that has them open closes them or dies.
	LastUser Lifetime = iota + 1
	// Owner segments go when the process that created them closes them or dies.
	Owner
	// Persistent segments go only by Remove.
	Persistent
)

func (l Lifetime) String() string {
	switch l {
	case LastUser:
		return "LastUser"
	case Owner:
		return "Owner"
	case Persistent:
		return "Persistent"
	}
	return "unset"
}

// Spec describes a segment. It is stored in the segment. A zero field means the
// default at creation, and "any" at opening.
type Spec struct {
	Size         int64       // bytes committed at creation; default 1 MiB; not compared
	MaxSize      int64       // bytes the segment may grow to as objects are created; default the larger of Size and 1 GiB
	Participants int         // processes that may be attached at once; default 256, at most 4095
	Lifetime     Lifetime    // default LastUser
	Mode         fs.FileMode // permission bits; default 0600; not compared
	Group        string      // group name or number of the file; default the creator's; not compared
}

// Options says how this process uses a segment. A nil *Options is the zero value.
//
// Nobody knows of a process that is ReadOnly: if an object that it has open is
// removed, and the room is another object's by then, it reads what is there, as
// whatever it took the object for.
type Options struct {
	Dir      string               // where the segment's file lives; default $SHOAL_DIR, else /dev/shm
	ReadOnly bool                 // look, without becoming a participant: nothing can be locked, taken or stored
	AnyOwner bool                 // accept a segment that another user created
	Init     func(*Segment) error // runs in the creator only, before any other process can open the segment
}

// Stat is a segment's size and use.
type Stat struct {
	Size, Used int64 // bytes committed; bytes of the objects and of the segment's own structures
	Created    time.Time
	Deaths     uint64 // participants that ended without closing, since creation
}

// Participant is a process that is, or was, attached.
type Participant struct {
	Slot     int    // its number in the segment, from 1
	PID      int    // in its own pid namespace
	Exe      string // base name of its executable
	UID      int
	Attached time.Time
	Alive    bool
}

// Object is a named object of a segment.
type Object struct {
	Name    string
	Kind    string // "mutex", "queue", …
	Type    string // description of the element type; empty if there is none
	Spec    string // geometry, for people
	State   string // live state, for people: a hint
	Size    int64  // bytes
	Created time.Time
	Creator int // process id of its creator
}

// Hold says that a participant holds something of an object, or waits for it.
type Hold struct {
	Object      string
	Kind        string // what is held: "lock", "permit", "delivery", "loan", …; if Waiting, the kind of the object
	Participant Participant
	Count       int
	Waiting     bool
}

// Death records a participant that ended without closing, and what it held.
type Death struct {
	Participant Participant
	Time        time.Time
	Held        []Hold
}
