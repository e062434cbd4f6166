//go:build !amd64

package bare

// Lanes says that there are Put and Get.
const Lanes = false

// Put puts nothing.
func Put(*Lane, *uintptr, *uint32, *byte) uint32 { return Outside }

// Get gets nothing.
func Get(*Lane, *uintptr, *uint32, *byte) uint32 { return Outside }
