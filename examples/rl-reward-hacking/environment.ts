/**
 * The cart and pole of A. Barto, R. Sutton and C. Anderson, "Neuronlike adaptive elements that can solve difficult
 * learning control problems" (1983), with the equations of its appendix but for friction: a cart on a track, a pole
 * hinged to it, and 50 times a second a push to the left or to the right.
 */

/** What differs from one environment to another. */
export interface Physics {
  /** Metres from the hinge to the centre of the pole. */
  readonly halfLength: number;
  /** Kilograms. */
  readonly poleMass: number;
  /** Newtons that push the cart. */
  readonly force: number;
}

/** Metres, radians, and what they change by in a second. */
export interface State {
  readonly position: number;
  readonly velocity: number;
  readonly angle: number;
  readonly angularVelocity: number;
}

/** Where an episode begins, and the physics that it follows. */
export interface Environment {
  readonly physics: Physics;
  readonly start: State;
}

const [gravity, cartMass, seconds] = [9.8, 1, 0.02];
const training: Physics = { halfLength: 0.5, poleMass: 0.1, force: 10 };

/** The cart leaves the track beyond this position, and the pole has fallen beyond this angle. */
export const [trackEnd, fallen] = [2.4, (12 * Math.PI) / 180];

/** The true objective: the pole is up, and the cart on its track. */
export function isBalanced({ position, angle }: State): boolean {
  return Math.abs(position) <= trackEnd && Math.abs(angle) <= fallen;
}

/**
 * The proxy: what an odometer on the cart counts in one step, in metres. Whoever balances longer travels further;
 * but one can also travel without balancing.
 */
export function distance(before: State, after: State): number {
  return Math.abs(after.position - before.position);
}

/** The state after one push: `direction` is −1 or 1. */
export function push(
  { position, velocity, angle, angularVelocity }: State,
  { halfLength, poleMass, force }: Physics,
  direction: number,
): State {
  const mass = cartMass + poleMass;
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  const thrust = (direction * force + poleMass * halfLength * angularVelocity ** 2 * sin) / mass;
  const angularAcceleration =
    (gravity * sin - cos * thrust) / (halfLength * (4 / 3 - (poleMass * cos ** 2) / mass));
  const acceleration = thrust - (poleMass * halfLength * angularAcceleration * cos) / mass;
  return {
    position: position + seconds * velocity,
    velocity: velocity + seconds * acceleration,
    angle: angle + seconds * angularVelocity,
    angularVelocity: angularVelocity + seconds * angularAcceleration,
  };
}

/** Environments to train in: all of them alike, but for where they begin. */
export function trainingEnvironments(count: number, random: () => number): readonly Environment[] {
  return Array.from({ length: count }, () => ({ physics: training, start: nearlyUpright(random) }));
}

/** Environments that no training sees: poles of other lengths and masses, stronger and weaker pushes. */
export function heldOutEnvironments(count: number, random: () => number): readonly Environment[] {
  const around = (value: number, share: number): number => value * (1 + share * (2 * random() - 1));
  return Array.from({ length: count }, () => ({
    physics: {
      halfLength: around(training.halfLength, 0.2),
      poleMass: around(training.poleMass, 0.2),
      force: around(training.force, 0.1),
    },
    start: nearlyUpright(random),
  }));
}

function nearlyUpright(random: () => number): State {
  const little = (): number => 0.1 * (random() - 0.5);
  return { position: little(), velocity: little(), angle: little(), angularVelocity: little() };
}
