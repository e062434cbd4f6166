package bare

// Lane is where one side of a ring of slots lies, all messages of which have one size.
type Lane struct {
	Head   *byte   // of the ring
	Slots  *byte   // the first slot: its word, the message's length and block, the message
	Pos    *uint64 // the position of the next message
	Stride uintptr // from one slot to the next
	Size   uintptr // of a message
	N      uint32  // slots
	Me     uint32  // the participant
}

// What Put and Get know of a ring. Package ring sees to it that this is true.
const (
	LateAt     = 0 // of the words in its head
	ClosingAt  = 8
	StrictAt   = 16
	WritePosAt = 512
	ProducerAt = 520
	PuttingAt  = 524
	ReadPosAt  = 640
	ConsumerAt = 648
	LentAt     = 768
	LentWords  = 4 // of 8 bytes

	LengthAt  = 8 // of a slot's parts
	MessageAt = 16

	IndexMask = 1<<24 - 1 // in words and positions
	Lap       = 1 << 24
	Full      = 2 << 20

	HintMask = 7 // the hints in the head are stored behind a slot whose number has all of these bits
)
