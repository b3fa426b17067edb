import type { TestProject } from 'vitest/node';
import { setUp } from '../setup.ts';

/** The same nodes, of Kubernetes three minors back. */
export default (project: TestProject) => setUp(project, 'older');
