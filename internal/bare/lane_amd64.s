#include "textflag.h"
#include "go_asm.h"

// What is plain here, as in every store of this package, may be overtaken by loads
// that follow: who needs it otherwise puts a fence between from the other side.

// ENTER goes to lost or outside unless the caller is the owner; CX is inside.
#define ENTER \
	MOVQ owner+8(FP), AX \
	MOVQ (TLS), BX \
	CMPQ BX, (AX) \
	JNE  outside \
	MOVQ inside+16(FP), CX \
	MOVL $1, (CX) \
	CMPQ BX, (AX) \
	JNE  lost

// SLOT has DI the slot of position DX, SI its index, and R13 the position's lap; R8 is
// the lane.
#define SLOT \
	MOVL  DX, SI \
	ANDL  $const_IndexMask, SI \
	CMPL  SI, Lane_N(R8) \
	JCC   refused \
	MOVQ  DX, R13 \
	SUBQ  SI, R13 \
	MOVQ  Lane_Stride(R8), DI \
	IMULQ SI, DI \
	ADDQ  Lane_Slots(R8), DI

// NEXT has DX the position after it, and SI that one's index, or N.
#define NEXT \
	INCQ DX \
	INCL SI \
	CMPL SI, Lane_N(R8) \
	JCS  next \
	LEAQ const_Lap(R13), DX

// COPY copies BX bytes from AX to R10, and changes all three, and R11 and X0.
#define COPY \
	CMPQ BX, $16 \
	JCS  eight \
sixteen: \
	MOVUPS (AX), X0 \
	MOVUPS X0, (R10) \
	ADDQ $16, AX \
	ADDQ $16, R10 \
	SUBQ $16, BX \
	CMPQ BX, $16 \
	JCC  sixteen \
	TESTQ BX, BX \
	JEQ  copied \
eight: \
	TESTQ $8, BX \
	JEQ  four \
	MOVQ (AX), R11 \
	MOVQ R11, (R10) \
	ADDQ $8, AX \
	ADDQ $8, R10 \
four: \
	TESTQ $7, BX \
	JEQ  copied \
	TESTQ $4, BX \
	JEQ  two \
	MOVL (AX), R11 \
	MOVL R11, (R10) \
	ADDQ $4, AX \
	ADDQ $4, R10 \
two: \
	TESTQ $2, BX \
	JEQ  one \
	MOVW (AX), R11 \
	MOVW R11, (R10) \
	ADDQ $2, AX \
	ADDQ $2, R10 \
one: \
	TESTQ $1, BX \
	JEQ  copied \
	MOVB (AX), R11 \
	MOVB R11, (R10) \
copied:

// func Put(l *Lane, owner *uintptr, inside *uint32, src *byte) uint32
TEXT ·Put(SB), NOSPLIT, $0-36
	ENTER
	MOVQ l+0(FP), R8
	MOVQ Lane_Head(R8), R9
	MOVL $1, const_PuttingAt(R9)
	MOVL const_ClosingAt(R9), R10
	ORL  const_StrictAt(R9), R10
	MOVL const_ProducerAt(R9), R11
	XORL Lane_Me(R8), R11
	ORL  R11, R10
	JNE  refused
	MOVQ const_LentAt(R9), R10
	ORQ  (const_LentAt+8)(R9), R10
	ORQ  (const_LentAt+16)(R9), R10
	ORQ  (const_LentAt+24)(R9), R10
	JNE  refused
	MOVQ Lane_Pos(R8), R12
	MOVQ (R12), DX
	SLOT
	CMPQ (DI), R13
	JNE  refused
	MOVQ src+24(FP), AX
	MOVQ Lane_Size(R8), BX
	MOVQ BX, const_LengthAt(DI) // and no block
	LEAQ const_MessageAt(DI), R10
	COPY
	LEAQ const_Full(R13), AX
	MOVQ AX, (DI)
	MOVL $0, const_PuttingAt(R9)
	MOVL $0, (CX)
	NEXT
next:
	MOVQ DX, (R12)
	TESTL $const_HintMask, SI
	JNE  done
	MOVQ DX, const_WritePosAt(R9)
done:
	MOVL $const_Done, ret+32(FP)
	RET
refused:
	MOVL $const_Inside, ret+32(FP)
	RET
lost:
	MOVL $0, (CX)
	MOVL $const_Lost, ret+32(FP)
	RET
outside:
	MOVL $const_Outside, ret+32(FP)
	RET

// func Get(l *Lane, owner *uintptr, inside *uint32, dst *byte) uint32
TEXT ·Get(SB), NOSPLIT, $0-36
	ENTER
	MOVQ l+0(FP), R8
	MOVQ Lane_Head(R8), R9
	MOVL const_ConsumerAt(R9), R10
	XORL Lane_Me(R8), R10
	ORL  const_StrictAt(R9), R10
	JNE  refused
	MOVQ Lane_Pos(R8), R12
	MOVQ (R12), DX
	SLOT
	LEAQ const_Full(R13), R10
	CMPQ (DI), R10
	JNE  refused
	MOVQ const_LateAt(R9), R10 // after the slot's word
	MOVQ R10, R11
	SHRQ $32, R11
	CMPL R10, R11
	JNE  refused
	MOVQ Lane_Size(R8), BX
	CMPQ const_LengthAt(DI), BX // and no block
	JNE  refused
	LEAQ const_MessageAt(DI), AX
	MOVQ dst+24(FP), R10
	COPY
	LEAQ const_Lap(R13), AX
	MOVQ AX, (DI)
	MOVL $0, (CX)
	NEXT
next:
	MOVQ DX, (R12) // not before the slot is free
	TESTL $const_HintMask, SI
	JNE  done
	MOVQ DX, const_ReadPosAt(R9)
done:
	MOVL $const_Done, ret+32(FP)
	RET
refused:
	MOVL $const_Inside, ret+32(FP)
	RET
lost:
	MOVL $0, (CX)
	MOVL $const_Lost, ret+32(FP)
	RET
outside:
	MOVL $const_Outside, ret+32(FP)
	RET
