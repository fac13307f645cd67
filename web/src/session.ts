// Who the reader is, and what they may do. The server decides; this only keeps buttons away that it would refuse.

import { computed, signal } from '@preact/signals';
import { call, get, signedOut } from './api/client';
import type { Role, Session } from './api/types';

export const session = signal<Session | null>(null);
export const sessionError = signal<Error | null>(null);

const RANKS: Record<Role, number> = { viewer: 0, operator: 1, admin: 2 };
const rank = computed(() => RANKS[session.value?.role ?? 'viewer']);

export const isOperator = computed(() => rank.value >= RANKS.operator);
export const isAdmin = computed(() => rank.value >= RANKS.admin);

/** Which role an act takes; what is not named takes an operator. */
export const mayDo = (action: string): boolean => (action === 'remove' ? isAdmin.value : isOperator.value);

export async function loadSession(): Promise<void> {
  try {
    session.value = await get<Session>(['session']);
    signedOut.value = session.value.loginNeeded && !session.value.authenticated;
    sessionError.value = null;
  } catch (error) {
    sessionError.value = error as Error;
  }
}

export async function signIn(token: string): Promise<void> {
  session.value = await call<Session>('POST', ['login'], { body: { token } });
  signedOut.value = false;
}

export async function signOut(): Promise<void> {
  await call('POST', ['logout']);
  session.value = null;
  signedOut.value = true;
}
