/** All kernels in one module with one memory. */
export { add16, add16Close, add16Open } from "./add-16.as";
export { addFloat32, addFloat32Close, addFloat32Open } from "./add-float32.as";
export { exceptionCount } from "./parked.as";
export { digest } from "./digest.as";
export { lowRank } from "./low-rank.as";
export { noise } from "./noise.as";
export { scaleBfloat16, scaleBfloat16Close, scaleBfloat16Open } from "./scale-bfloat16.as";
export { scaleFloat32, scaleFloat32Close, scaleFloat32Open } from "./scale-float32.as";
