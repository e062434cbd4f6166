package satomic

// Row is what a Lane has to know of the slots of a ring.
type Row struct {
	Stride uintptr // from one slot to the next
	N      uint32  // slots
	Me     uint32  // the participant
	Size   int     // of a message
}
